//! The skeleton of a venue: a crate that compiles, and tests that say in order what to fill in.
//!
//! Owns the names and the places; what is written stands in `templates/venue`. It refuses to touch anything when the
//! name will not do, and to guess where a shared file no longer looks as it should.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::run;

/// What to make.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The venue's id, as CCXT spells it: lower case, letters and digits.
    name: String,
}

/// The files of the crate, below its folder.
const FILES: [(&str, &str); 10] = [
    ("Cargo.toml", include_str!("../templates/venue/Cargo.toml.in")),
    ("README.md", include_str!("../templates/venue/README.md.in")),
    ("src/lib.rs", include_str!("../templates/venue/lib.rs.in")),
    ("src/spec.rs", include_str!("../templates/venue/spec.rs.in")),
    ("src/symbol.rs", include_str!("../templates/venue/symbol.rs.in")),
    ("src/auth.rs", include_str!("../templates/venue/auth.rs.in")),
    ("src/encode.rs", include_str!("../templates/venue/encode.rs.in")),
    ("src/decode.rs", include_str!("../templates/venue/decode.rs.in")),
    ("src/fault.rs", include_str!("../templates/venue/fault.rs.in")),
    ("tests/conformance.rs", include_str!("../templates/venue/conformance.rs.in")),
];

/// The venue's messages, in `wire`.
const WIRE: &str = include_str!("../templates/venue/wire.rs.in");

/// The longest id.
const NAME_MAX: usize = 24;

/// Names that a module or a crate cannot bear.
const RESERVED: [&str; 37] = [
    "abstract", "alloc", "async", "await", "become", "break", "const", "continue", "core", "crate", "else",
    "enum", "extern", "false", "final", "for", "impl", "let", "loop", "macro", "match", "mod", "move", "mut",
    "override", "pub", "ref", "return", "self", "static", "std", "struct", "super", "trait", "true", "type",
    "while",
];

/// Writes the skeleton, and says what is left.
pub(crate) fn run(options: &Options) -> Result<()> {
    let name = &options.name;
    let files = plan(&run::root(), name)?;
    for (path, text) in &files {
        write(&run::root().join(path), text)?;
        println!("{}", path.display());
    }
    // Where lines break depends on the name.
    let package = format!("--package=venuekit-{name}");
    run::pass_through(&mut run::cargo(&["fmt", &package]))?;
    println!(
        "\nNow `cargo test -p venuekit-{name}`: each test that fails says what to fill in, the first one first.\n\
         docs/adding-a-venue/README.md has the walk-through. Not written, because they come last:\n\
         - crates/sim/Cargo.toml: add \"{name}\" to the features of venuekit-wire; crates/sim/src: `mod {name};`\n\
         - crates/registry/Cargo.toml: `venuekit-{name}.workspace = true`; crates/registry/src/lib.rs: a case of \
         `Known` and its row in `KNOWN`\n\
         - crates/testkit/Cargo.toml: `venuekit-{name}.workspace = true`; crates/testkit/tests/common/mod.rs: its \
         subject"
    );
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Every file that is made or changed, with its whole text; nothing is written here.
///
/// **Errors**: a name that will not do or is taken, and a shared file in which the place for a line is not found.
fn plan(root: &Path, name: &str) -> Result<Vec<(PathBuf, String)>> {
    check(root, name)?;
    let filled = |text: &str| text.replace("@id@", name).replace("@Type@", &type_name(name));
    let folder = Path::new("crates/venues").join(name);
    let mut files: Vec<_> = FILES.iter().map(|(file, text)| (folder.join(file), filled(text))).collect();
    files.push((Path::new("crates/wire/src").join(format!("{name}.rs")), filled(WIRE)));
    for (path, changed) in [
        ("Cargo.toml", workspace as fn(&str, &str) -> Option<String>),
        ("crates/wire/Cargo.toml", feature),
        ("crates/wire/src/lib.rs", module),
    ] {
        let text = fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
        let text = changed(&text, name)
            .with_context(|| format!("{path} looks different than expected: add {name} to it by hand"))?;
        files.push((path.into(), text));
    }
    Ok(files)
}

fn check(root: &Path, name: &str) -> Result<()> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    ensure!(
        plain && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.len() <= NAME_MAX,
        "{name:?} is no venue id: use at most {NAME_MAX} lower-case letters and digits, a letter first, as in \
         `krakenfutures`"
    );
    ensure!(!RESERVED.contains(&name), "{name:?} is a word of the language: a module cannot have that name");
    for taken in ["crates/venues", "crates", "crates/wire/src"].map(|folder| Path::new(folder).join(name)) {
        for path in [taken.clone(), taken.with_extension("rs")] {
            if root.join(&path).exists() {
                bail!("{name:?} is taken: {} exists", path.display());
            }
        }
    }
    Ok(())
}

/// `kraken` is `Kraken`.
fn type_name(name: &str) -> String {
    let (first, rest) = name.split_at(name.len().min(1));
    first.to_ascii_uppercase() + rest
}

/// The text with something before the first place where `anchor` stands.
fn before(text: &str, anchor: &str, added: &str) -> Option<String> {
    let at = text.find(anchor)?;
    Some(format!("{}{added}{}", &text[..at], &text[at..]))
}

/// A member of the workspace, and a dependency that others may take.
fn workspace(manifest: &str, name: &str) -> Option<String> {
    let path = format!("crates/venues/{name}");
    let with_member = before(manifest, "\"crates/registry\"", &format!("\"{path}\", "))?;
    let dependency = format!("venuekit-{name} = {{ path = \"{path}\" }}\n");
    before(&with_member, "venuekit-registry = ", &dependency)
}

fn feature(manifest: &str, name: &str) -> Option<String> {
    let (head, features) = manifest.split_once("\n[features]\ndefault = []\n")?;
    Some(format!("{head}\n[features]\ndefault = []\n{name} = []\n{features}"))
}

/// A module under its feature, where `rustfmt` wants it.
fn module(lib: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = lib.lines().collect();
    let module_of = |line: &&str| {
        let rest = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?;
        rest.strip_suffix(';').map(str::to_owned)
    };
    let exported = lines.iter().position(|line| *line == "#[macro_use]")? + 2;
    let next =
        (exported..lines.len()).find(|&at| module_of(&lines[at]).is_some_and(|other| *other > *name))?;
    // An attribute belongs to the module below it.
    let next = if lines[next - 1].starts_with("#[") { next - 1 } else { next };
    let added = format!("#[cfg(feature = \"{name}\")]\npub mod {name};");
    let (head, tail) = (lines[..next].join("\n"), lines[next..].join("\n"));
    Some(format!("{head}\n{added}\n{tail}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_or_taken_name_is_refused_before_anything_is_written() {
        for (name, says) in [
            ("", "no venue id"),
            ("Gate", "no venue id"),
            ("1inch", "no venue id"),
            ("gate-io", "no venue id"),
            ("../gate", "no venue id"),
            ("averyveryverylongvenuename", "no venue id"),
            ("type", "word of the language"),
            ("duedex", "crates/venues/duedex exists"),
            ("sim", "crates/sim exists"),
            ("scan", "crates/wire/src/scan.rs exists"),
        ] {
            let error = plan(&run::root(), name).expect_err(name).to_string();
            assert!(error.contains(says), "{name:?}: {error}");
        }
        let error = plan(&run::root().join("docs"), "gate").expect_err("no workspace").to_string();
        assert!(error.contains("cannot read Cargo.toml"), "{error}");
    }

    #[test]
    fn a_shared_file_that_looks_different_is_left_to_a_person() {
        let lib =
            "#[macro_use]\nmod shape;\n\n#[cfg(feature = \"doex\")]\npub mod doex;\nmod error;\nmod time;\n";
        let with = |added: &str| lib.replace("mod time", &format!("{added}mod time"));
        let cfg = "#[cfg(feature = \"gate\")]\npub mod gate;\n";
        assert_eq!(module(lib, "gate"), Some(with(cfg)));
        let first = module(lib, "bybit").expect("before doex");
        assert!(first.contains(
            "mod shape;\n\n#[cfg(feature = \"bybit\")]\npub mod bybit;\n#[cfg(feature = \"doex\")]"
        ));
        assert_eq!(module("pub mod doex;\n", "gate"), None);
        assert_eq!(feature("[features]\nall = []\n", "gate"), None);
        assert_eq!(workspace("[workspace]\nmembers = []\n", "gate"), None);
    }

    /// Everything of the workspace but what the skeleton changes is linked, so that nothing is built twice.
    #[cfg(unix)]
    fn mirror(name: &str) -> Result<PathBuf> {
        use std::os::unix::fs::symlink;

        let (root, copy) = (run::root(), run::target().join("new-venue"));
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        let own = ["Cargo.toml", "Cargo.lock", "crates", "crates/venues", "crates/wire", "crates/wire/src"];
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            fs::create_dir_all(copy.join(&folder))?;
            for entry in fs::read_dir(root.join(&folder))? {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                let is_own = own.iter().any(|own| path == Path::new(own));
                if is_own && entry.path().is_dir() {
                    folders.push(path);
                } else if is_own || folder == Path::new("crates/wire") && entry.path().is_file() {
                    fs::copy(entry.path(), copy.join(path))?;
                } else if entry.path() != run::target() {
                    symlink(entry.path(), copy.join(path))?;
                }
            }
        }
        // What the skeleton writes must not go through a link.
        for (path, text) in plan(&root, name)? {
            let path = copy.join(path);
            if path.is_symlink() {
                fs::remove_file(&path)?;
            }
            write(&path, &text)?;
        }
        Ok(copy)
    }

    #[cfg(unix)]
    #[test]
    fn the_skeleton_compiles_and_its_tests_say_what_is_missing() {
        let copy = mirror("examplevenue").expect("the workspace can be mirrored");
        let target = run::target();
        let cargo = |arguments: &[&str]| {
            let mut command = run::cargo(arguments);
            command.current_dir(&copy).env("CARGO_TARGET_DIR", &target);
            command.env("RUST_BACKTRACE", "0");
            command.output().expect("cargo starts")
        };
        let formatted =
            cargo(&["fmt", "--package=venuekit-examplevenue", "--package=venuekit-wire", "--check"]);
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stdout));
        let tested = cargo(&[
            "test",
            "--offline",
            "--package=venuekit-examplevenue",
            "--test=conformance",
            "--",
            "--test-threads=1",
        ]);
        let (said, errors) =
            (String::from_utf8_lossy(&tested.stdout), String::from_utf8_lossy(&tested.stderr));
        assert!(said.contains("running 7 tests"), "the skeleton does not compile:\n{errors}");
        let warned = errors.contains("warning: `venuekit-examplevenue`");
        assert!(!warned, "the skeleton has warnings:\n{errors}");
        assert!(said.contains("0 passed; 7 failed"), "{said}");
        let steps: Vec<usize> = (1..=7)
            .map(|step| said.find(&format!("STEP {step}: ")).unwrap_or_else(|| panic!("{step}: {said}")))
            .collect();
        assert!(steps.is_sorted(), "{said}");
        for file in ["src/spec.rs", "instruments.json", "frames.jsonl", "refusals.txt", "crates/registry"] {
            assert!(said.contains(file), "nothing is said of {file}: {said}");
        }
    }
}
