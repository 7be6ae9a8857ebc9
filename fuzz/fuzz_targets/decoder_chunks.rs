//! The target of [`serfsnap_fuzz::decoder_chunks`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| serfsnap_fuzz::decoder_chunks(data));
