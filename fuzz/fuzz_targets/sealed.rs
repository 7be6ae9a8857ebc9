//! The target of [`serfsnap_fuzz::sealed`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| serfsnap_fuzz::sealed(data));
