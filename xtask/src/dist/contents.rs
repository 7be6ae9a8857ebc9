//! The files that are packed.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::dist::pack::{Entry, ar, gzip, tar};
use crate::process::{output, root};

/// Everything that is packed, before it has a place.
pub(super) struct Contents {
    version: String,
    /// Seconds since 1970, of every file.
    time: u64,
    binary: Vec<u8>,
    /// Manual pages by their names, such as `serfsnap.1`.
    pages: Vec<(String, Vec<u8>)>,
    completions: Vec<(Shell, Vec<u8>)>,
}

/// A shell, and where its completions go.
#[derive(Clone, Copy)]
struct Shell {
    name: &'static str,
    file: &'static str,
    /// On a Debian system; none where that has no place for them.
    installed: Option<&'static str>,
}

const SHELLS: [Shell; 5] = [
    Shell {
        name: "bash",
        file: "serfsnap.bash",
        installed: Some("usr/share/bash-completion/completions/serfsnap"),
    },
    Shell {
        name: "zsh",
        file: "_serfsnap",
        installed: Some("usr/share/zsh/vendor-completions/_serfsnap"),
    },
    Shell {
        name: "fish",
        file: "serfsnap.fish",
        installed: Some("usr/share/fish/vendor_completions.d/serfsnap.fish"),
    },
    Shell { name: "elvish", file: "serfsnap.elv", installed: None },
    Shell { name: "powershell", file: "_serfsnap.ps1", installed: None },
];

impl Contents {
    /// Asks the binary for its pages and completions.
    pub(super) fn collect(binary: &Path) -> Outcome<Self> {
        let serfsnap = |arguments: &[&str]| output(Command::new(binary).args(arguments));
        let version = serfsnap(&["--version"])?;
        let version = version.trim().strip_prefix("serfsnap ").ok_or("no version")?.to_owned();
        let pages = root().join("target/static/man");
        let _ = fs::remove_dir_all(&pages);
        output(Command::new(binary).args(["man", "--dir"]).arg(&pages))?;
        let pages = fs::read_dir(&pages)?.map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
        });
        let completions =
            SHELLS.map(|shell| Ok((shell, serfsnap(&["completions", shell.name])?.into_bytes())));
        Ok(Self {
            version,
            time: time()?,
            binary: fs::read(binary)?,
            pages: pages.collect::<Outcome<_>>()?,
            completions: completions.into_iter().collect::<Outcome<_>>()?,
        })
    }

    /// The archive for any Linux: its name and its bytes.
    pub(super) fn archive(&self) -> Outcome<(String, Vec<u8>)> {
        let name = format!("serfsnap-{}-{}-linux", self.version, env::consts::ARCH);
        let mut entries = vec![Entry::program("serfsnap", &self.binary)];
        for (page, bytes) in &self.pages {
            entries.push(Entry::file(format!("man/man1/{page}"), bytes));
        }
        for (shell, bytes) in &self.completions {
            entries.push(Entry::file(format!("completions/{}", shell.file), bytes));
        }
        for text in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            entries.push(Entry::file(text, fs::read(root().join(text))?));
        }
        let entries = entries.into_iter().map(|entry| entry.below(&name)).collect();
        Ok((format!("{name}.tar.gz"), gzip(&tar(entries, self.time)?)?))
    }

    /// The package for Debian and its relatives: its name and its bytes.
    pub(super) fn debian_package(&self) -> Outcome<(String, Vec<u8>)> {
        let architecture = match env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let mut entries = vec![Entry::program("usr/bin/serfsnap", &self.binary)];
        for (page, bytes) in &self.pages {
            entries.push(Entry::file(format!("usr/share/man/man1/{page}.gz"), gzip(bytes)?));
        }
        for (shell, bytes) in &self.completions {
            entries.extend(shell.installed.map(|path| Entry::file(path, bytes)));
        }
        let docs = "usr/share/doc/serfsnap";
        entries.push(Entry::file(format!("{docs}/copyright"), copyright()?));
        let changes = fs::read(root().join("CHANGELOG.md"))?;
        entries.push(Entry::file(format!("{docs}/changelog.gz"), gzip(&changes)?));
        let size: usize = entries.iter().map(Entry::len).sum();
        let control = control(&self.version, architecture, size.div_ceil(1024));
        let control = vec![Entry::file("control", control)];
        let members = [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar.gz", gzip(&tar(control, self.time)?)?),
            ("data.tar.gz", gzip(&tar(entries, self.time)?)?),
        ];
        let name = format!("serfsnap_{}_{architecture}.deb", self.version);
        Ok((name, ar(&members, self.time)?))
    }
}

/// The time that every file gets.
fn time() -> Outcome<u64> {
    let time = match env::var("SOURCE_DATE_EPOCH") {
        Ok(time) => time,
        Err(_) => output(Command::new("git").args(["log", "-1", "--format=%ct"]))?,
    };
    time.trim().parse().map_err(|_| format!("no time in seconds since 1970: {time:?}").into())
}

fn control(version: &str, architecture: &str, kibibytes: usize) -> String {
    format!(
        "Package: serfsnap\nVersion: {version}\nArchitecture: {architecture}\nSection: admin\nPriority: optional\n\
         Maintainer: the serfsnap project <maintainers@serfsnap.invalid>\nInstalled-Size: {kibibytes}\n\
         Description: inspect, mend and record the snapshots of Serf, Consul and Nomad agents\n \
         A gossip agent keeps a snapshot, a small log of who is alive and how far its\n \
         clocks are, so that it finds its cluster again after a restart. This tool says\n \
         what is in one, what is wrong with it and whom the agent would contact, and\n \
         changes what has to be changed.\n"
    )
}

fn copyright() -> Outcome<String> {
    let licence = fs::read_to_string(root().join("LICENSE-MIT"))?;
    Ok(format!(
        "This package is under either of two licences, as you like: the Apache License 2.0, which is in\n\
         /usr/share/common-licenses/Apache-2.0, or this one:\n\n{licence}"
    ))
}
