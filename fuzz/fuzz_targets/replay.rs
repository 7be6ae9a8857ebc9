//! The target of [`serfsnap_fuzz::replay`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| serfsnap_fuzz::replay(data));
