//! Words as a shell reads them.

use std::ffi::OsStr;

use crate::show::shown_path;

/// A path as one word of a command; `None` where it cannot be shown as it is.
pub(crate) fn word(path: &OsStr) -> Option<String> {
    let text = path.to_str().filter(|text| shown_path(path) == *text)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./=:@%+,-".contains(&byte);
    // A path is no flag.
    let path = if text.starts_with('-') { format!("./{text}") } else { text.to_owned() };
    if !path.is_empty() && path.bytes().all(plain) {
        return Some(path);
    }
    Some(format!("'{}'", path.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_split_or_obey_is_quoted() {
        let check = |path: &str, expect: Option<&str>| {
            assert_eq!(word(OsStr::new(path)).as_deref(), expect, "{path}");
        };
        check("a/b-1.snap", Some("a/b-1.snap"));
        check("a b", Some("'a b'"));
        check("it's;$(x)", Some(r"'it'\''s;$(x)'"));
        check("-yes", Some("./-yes"));
        check("a\x1bb", None);
        check("a\\b", Some("'a\\b'"));
    }
}
