//! The target of [`serfsnap_fuzz::parse`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| serfsnap_fuzz::parse(data));
