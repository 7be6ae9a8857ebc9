use std::fmt::Write as _;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// The page about these files, and its summary.
fn page(files: &[(&str, &[u8])]) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        paths.push(path.into_os_string());
    }
    let words = ["report", "-o", "-"].map(OsString::from);
    let args = Line::parse_from(words.into_iter().chain(paths)).args;
    match args.files.as_slice() {
        [file] => one::report(file, args.rules).unwrap(),
        files => many::report(&Fleet::read(files, args.outlook.outset(args.rules)).unwrap()),
    }
}

/// The rows of the table that is searched.
fn rows(page: &str) -> serde_json::Value {
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap()
}

const HOSTILE: &[u8] = b"alive: </script><script>alert(1)</script> 10.0.0.1:1\n\
    alive: \"a\" & 'b' <!-- 10.0.0.2:1\nalive: esc\x1b[31m\xff\xe2\x80\xa8 10.0.0.3:1\n\
    nonsense </script><img src=x onerror=alert(2)>\n\
    alive: <i> 10.0.0.4:1\nnot-alive: <i>\nalive: <i> 10.0.0.4:1\n";

#[test]
fn a_name_cannot_become_a_part_of_the_page() {
    let second: &[u8] = b"alive: <b>&amp; 10.0.0.9:1\nalive: x 10.0.0.4:1\n";
    for files in [&[("a<b>.snap", HOSTILE)][..], &[("a<b>.snap", HOSTILE), ("b.snap", second)]] {
        let Report { page, .. } = page(files);
        let scripts = page.matches("<script").count();
        assert_eq!((scripts, page.matches("</script").count()), (2, 2), "data and code: {page}");
        for hostile in ["<img", "<i>", "<b>", "<!--", "alert(1)</", "\x1b", "&amp;amp;amp;"] {
            assert!(!page.contains(hostile), "{hostile}: {page}");
        }
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("url(\""));
    }
}

#[test]
fn the_table_has_every_node_that_the_file_names() {
    let text = b"alive: a 10.0.0.1:1\nalive: b 10.0.0.2:1\nnot-alive: b\nalive: b 10.0.0.2:1\n\
        not-alive: b\nalive: c 10.0.0.3:1\nnot-alive: c\n#@failed: c 10.0.0.3:1 7\n";
    let Report { page, summary } = page(&[("a.snap", text)]);
    let expect = serde_json::json!([
        ["a", "10.0.0.1:1", "alive", 1, 0, 1, ""],
        ["c", "10.0.0.3:1", "failed", 1, 1, 8, ""],
        ["b", "", "gone", 2, 2, 5, ""],
    ]);
    assert_eq!(rows(&page)["rows"], expect);
    assert!(page.contains("1 node came back"), "b");
    assert!(summary[0].ends_with("a.snap: clean; 1 alive, 1 failed"), "{summary:?}");
}

#[test]
fn a_page_about_very_many_nodes_stays_one_that_a_browser_opens() {
    let mut text = String::new();
    for node in 0..60_000 {
        let (high, low) = (node / 250, node % 250);
        writeln!(text, "alive: node-{node} 10.0.{high}.{low}:7946\nclock: {node}").unwrap();
    }
    let Report { page, .. } = page(&[("big.snap", text.as_bytes())]);
    let rows = rows(&page);
    let listed = rows["rows"].as_array().unwrap().len();
    assert_eq!((listed, &rows["total"]), (tables::MAX_ROWS, &serde_json::json!(60_000)));
    let svg: usize = page.split("<svg").skip(1).map(|svg| svg.find("</svg>").unwrap()).sum();
    assert!(svg < 400_000, "the plots take {svg} bytes");
}

#[test]
fn files_without_anything_have_a_page_too() {
    for text in ["", "\n\n", "leave\n", "alive: a 1.1.1.1:1\nleave\nclock: 3\n", "alive: to"] {
        let Report { page, .. } = page(&[("a.snap", text.as_bytes())]);
        assert!(page.contains("</html>"), "{text:?}");
    }
}

#[test]
fn only_a_page_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    let check = |text: &str| {
        fs::write(&path, text).unwrap();
        refuse_to_replace(path.as_os_str()).is_ok()
    };
    assert!(refuse_to_replace(path.as_os_str()).is_ok(), "nothing is there");
    assert!(check("") && check("<!DOCTYPE html>\n<p>"));
    assert!(!check("alive: a 10.0.0.1:1\n") && !check("<p>notes"));
    assert!(refuse_to_replace(directory.path().as_os_str()).is_err(), "a directory");
}
