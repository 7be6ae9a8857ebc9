//! What users are given: a static binary with its manual pages and completions, as an archive and as a Debian package.
//!
//! The same commit and toolchain give the same bytes: times come from the commit, paths of this machine are replaced,
//! and everything that packs is a crate of the lock file.

#[cfg(feature = "dist")]
mod contents;
#[cfg(feature = "dist")]
mod pack;
mod try_out;

use std::path::PathBuf;

use crate::process::{cargo, root, run};
use crate::{Command, Outcome};

pub(crate) use try_out::try_out;

pub(crate) const COMMAND: Command = Command {
    name: "dist",
    arguments: "",
    about: "Build what users are given, into target/dist.\n\
            A static binary with manual pages and completions, as .tar.gz and as .deb, and SHA256SUMS.\n\
            SOURCE_DATE_EPOCH is the time in the archives; without it that of the commit.",
    run: from_arguments,
};

/// Where it goes.
fn directory() -> PathBuf {
    root().join("target/dist")
}

fn from_arguments(arguments: &[String]) -> Outcome {
    if arguments.is_empty() { dist() } else { Err("dist takes no arguments".into()) }
}

/// Builds everything. Packing needs crates that no other task waits for.
#[cfg(not(feature = "dist"))]
fn dist() -> Outcome {
    run(&mut cargo(["run", "--quiet", "--package", "xtask", "--features", "dist", "--", "dist"]))
}

#[cfg(feature = "dist")]
fn dist() -> Outcome {
    use std::fs;

    use crate::process::output;

    let binary = build()?;
    let contents = contents::Contents::collect(&binary)?;
    let directory = directory();
    // What an older version left would be summed up as well.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)?;
    let packages = [contents.archive()?, contents.debian_package()?];
    for (name, bytes) in &packages {
        fs::write(directory.join(name), bytes)?;
    }
    let names = packages.iter().map(|(name, _)| name);
    let sums = output(
        std::process::Command::new("sh")
            .args(["-c", "cd target/dist && sha256sum \"$@\"", "sh"])
            .args(names),
    )?;
    fs::write(directory.join("SHA256SUMS"), &sums)?;
    println!("the binary has {} bytes", fs::metadata(&binary)?.len());
    for (name, bytes) in &packages {
        println!("target/dist/{name} has {} bytes", bytes.len());
    }
    print!("{sums}");
    Ok(())
}

/// The binary: static, and the same wherever it is built.
#[cfg(feature = "dist")]
fn build() -> Outcome<PathBuf> {
    use std::env;

    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned(), "-Cstrip=symbols".to_owned()];
    flags.push(format!("--remap-path-prefix={}=/serfsnap", root().display()));
    flags.extend(
        home.map(|home| format!("--remap-path-prefix={}/registry/src=/crates", home.display())),
    );
    // Named, so that the flags are not those of build scripts and macros, which cannot be static.
    let mut command =
        cargo(["build", "--release", "--locked", "--package", "serfsnap", "--target", &target]);
    // A directory of its own: other flags would make every other build of this target begin anew.
    command.args(["--target-dir", "target/static"]);
    // The separator lets a path hold spaces.
    run(command.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")))?;
    let binary = root().join("target/static").join(target).join("release/serfsnap");
    if try_out::needs_libraries(&std::fs::read(&binary)?) {
        return Err(format!("{} is not static", binary.display()).into());
    }
    Ok(binary)
}
