//! The target of [`serfsnap_fuzz::roundtrip`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| serfsnap_fuzz::roundtrip(data));
