//! The rules of the house that a compiler does not know, executed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::product;
use crate::scale::repository;

/// Which modules of `engine/src` a module may use. Records walk down this list; a room that is not named
/// here may use nothing.
const MAY_USE: [(&str, &[&str]); 15] = [
    ("clock", &[]),
    ("explain", &[]),
    ("advice", &[]),
    ("kafka", &["clock"]),
    ("ingest", &[]),
    ("journal", &["clock"]),
    ("detect", &["advice", "journal"]),
    ("source", &["clock", "kafka", "ingest", "journal"]),
    ("deliver", &["clock", "kafka", "ingest", "journal"]),
    ("config", &["clock", "kafka", "ingest", "detect", "deliver"]),
    ("telemetry", &["clock", "config"]),
    ("http", &["clock", "config", "journal", "telemetry"]),
    ("spine", &["clock", "config", "telemetry", "source", "ingest", "journal", "detect", "deliver"]),
    (
        "service",
        &[
            "clock",
            "explain",
            "kafka",
            "config",
            "telemetry",
            "source",
            "ingest",
            "journal",
            "detect",
            "deliver",
            "spine",
            "http",
        ],
    ),
    (
        "cli",
        &[
            "clock",
            "explain",
            "kafka",
            "config",
            "telemetry",
            "source",
            "ingest",
            "journal",
            "detect",
            "deliver",
            "spine",
            "http",
            "service",
        ],
    ),
];

const LONGEST_FILE: usize = 500;

#[test]
fn rooms_use_only_rooms_before_them() {
    let mut broken = Vec::new();
    let root = repository().join("engine/src");
    for file in sources(&root) {
        let inside = file.strip_prefix(&root).expect("it lies below");
        let first = inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        let room = first.trim_end_matches(".rs");
        if matches!(room, "lib" | "main") {
            continue;
        }
        let allowed = MAY_USE.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed);
        let Some(allowed) = allowed else {
            broken.push(format!("{room} is no room of MAY_USE"));
            continue;
        };
        for used in uses(&product_part(&read(&file))) {
            if used != room && !allowed.contains(&used.as_str()) {
                broken.push(format!("{} uses {used}", inside.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_table_of_rooms_has_one_direction() {
    for (place, (room, allowed)) in MAY_USE.iter().enumerate() {
        for used in *allowed {
            let before = MAY_USE.iter().position(|(name, _)| name == used);
            assert!(
                before.is_some_and(|before| before < place),
                "{room} may use {used}, which does not stand before it"
            );
        }
    }
}

#[test]
fn schemas_and_detectors_are_leaves_that_do_not_know_each_other() {
    for (leaf, strangers) in
        [("schemas", ["trailsight", "trailsight-detectors"]), ("detectors", ["trailsight", "trailsight-schemas"])]
    {
        let manifest = manifest(leaf);
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for stranger in strangers {
                assert!(manifest.get(table).and_then(|table| table.get(stranger)).is_none(), "{leaf} knows {stranger}");
            }
        }
    }
    let arithmetic = manifest("detectors");
    let needs: Vec<&String> =
        arithmetic["dependencies"].as_table().map(|table| table.keys().collect()).unwrap_or_default();
    assert_eq!(needs, ["libm"], "detectors needs nothing but the arithmetic of libm");
    assert!(read(&repository().join("detectors/src/lib.rs")).contains("#![no_std]"));
}

#[test]
fn nothing_depends_on_tests_and_bench() {
    for package in ["schemas", "detectors", "engine"] {
        let text = read(&repository().join(package).join("Cargo.toml"));
        assert!(!text.contains("trailsight-tests") && !text.contains("trailsight-bench"), "{package}");
    }
    let product = "trailsight";
    let reference = manifest("tests");
    let independent = reference["dependencies"].as_table().expect("a table");
    assert!(!independent.keys().any(|name| name.starts_with(product)), "the slow reference knows the product");
}

#[test]
fn only_the_clock_reads_a_clock() {
    let clocks =
        ["SystemTime", "Instant", "Timestamp", "Zoned", "Utc", "OffsetDateTime"].map(|name| format!("{name}::now("));
    let found = files_with(&clocks, |path| !path.ends_with("engine/src/clock.rs"));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_test_sleeps_or_is_ignored() {
    let anywhere = [["#[ign", "ore"].concat(), ["thread::sl", "eep"].concat()];
    let mut found = files_with(&anywhere, |_| true);
    // The product may wait for a time; a test may not.
    let timer = ["time::sl", "eep("].concat();
    for file in all_sources() {
        let whole = file.starts_with(repository().join("tests")) || file.to_string_lossy().ends_with("tests.rs");
        let text = read(&file);
        let test = if whole { text.as_str() } else { text.split_once("#[cfg(test)]").map_or("", |(_, test)| test) };
        if test.contains(&timer) {
            found.push(format!("{}: a test sleeps", file.display()));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_are_short_and_have_names_of_their_own() {
    let homeless = ["utils", "util", "common", "helpers", "helper", "types", "prelude", "misc"];
    let mut broken = Vec::new();
    for file in all_sources() {
        let lines = read(&file).lines().count();
        if lines > LONGEST_FILE {
            broken.push(format!("{} has {lines} lines", file.display()));
        }
        if file.file_stem().is_some_and(|stem| homeless.iter().any(|name| stem == *name)) {
            broken.push(format!("{} has no better name", file.display()));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_top_of_the_repository_holds_what_it_should() {
    let wanted: BTreeSet<&str> = [
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE",
        "schemas",
        "detectors",
        "engine",
        "tests",
        "bench",
        "deploy",
        "docs",
    ]
    .into();
    let names: BTreeSet<String> = fs::read_dir(repository())
        .expect("the repository can be read")
        .map(|entry| entry.expect("a folder entry").file_name().to_string_lossy().into_owned())
        // What a build and a quick start leave there is ignored by git.
        .filter(|name| !name.starts_with('.') && name != "target" && name != "trailsight-data")
        .collect();
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names, wanted);
}

#[test]
fn what_the_documents_name_is_there() {
    let mut broken = Vec::new();
    let top = repository();
    let mut documents = vec![top.join("README.md"), top.join("ARCHITECTURE.md")];
    documents
        .extend(walk(&top.join("docs")).into_iter().filter(|path| path.extension().is_some_and(|each| each == "md")));
    for document in documents {
        let text = read(&document);
        for (target, _) in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let file = target.split('#').next().unwrap_or_default();
            let near = document.parent().expect("a folder").join(file);
            if !file.is_empty() && !target.starts_with("http") && !near.exists() {
                broken.push(format!("{}: {target} is not there", document.display()));
            }
        }
        for command in commands(&text) {
            let words: Vec<&str> = command.split_whitespace().collect();
            let known = match words.first() {
                Some(&"trailsight") => understood(&words[1..]),
                Some(script) => top.join(script.trim_start_matches("./")).is_file(),
                None => true,
            };
            if !known {
                broken.push(format!("{}: there is no `{command}`", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Lines of fenced shell blocks that call a script of ours or `trailsight`.
fn commands(text: &str) -> Vec<String> {
    let shell =
        text.split("```").skip(1).step_by(2).filter(|block| block.starts_with("sh") || block.starts_with("console"));
    let lines = shell
        .flat_map(str::lines)
        .map(|line| line.split(" #").next().unwrap_or_default().trim().trim_start_matches("$ "));
    lines.filter(|line| line.starts_with("./") || line.starts_with("trailsight ")).map(str::to_owned).collect()
}

/// Whether the program knows this command and each of its long options.
fn understood(words: &[&str]) -> bool {
    let plain: Vec<&str> =
        words.iter().take_while(|word| word.chars().all(|each| each.is_ascii_lowercase())).copied().collect();
    let deepest = (1..=plain.len()).rev().find_map(|length| {
        let mut command = product::command(&plain[..length]);
        command.arg("--help");
        Some(product::run(command)).filter(|finished| finished.status == Some(0))
    });
    let Some(help) = deepest else { return false };
    let options = words.iter().filter(|word| word.starts_with("--") && word.len() > 2);
    options.map(|word| word.split('=').next().unwrap_or(word)).all(|option| help.stdout.contains(option))
}

/// Names behind `crate::`, single or in braces.
fn uses(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        let name =
            |text: &str| text.chars().take_while(|each| each.is_alphanumeric() || *each == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split("};").next().unwrap_or_default();
                let mut depth = 0;
                let top: String = list
                    .chars()
                    .filter(|each| {
                        depth += i32::from(*each == '{') - i32::from(*each == '}');
                        depth == 0
                    })
                    .collect();
                found.extend(top.split(',').map(|item| name(item.trim())));
            }
            None => drop(found.insert(name(rest))),
        }
    }
    // Macros, types and functions at the top of the crate are no rooms.
    found.retain(|name| MAY_USE.iter().any(|(room, _)| room == name));
    found
}

/// Comments and tests are free to name other rooms.
fn product_part(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn files_with(needles: &[String], asked: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in all_sources().into_iter().filter(|file| asked(file)) {
        let text = read(&file);
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        let hits = lines.filter(|(_, line)| needles.iter().any(|needle| line.contains(needle.as_str())));
        found.extend(hits.map(|(index, line)| format!("{}:{}: {}", file.display(), index + 1, line.trim())));
    }
    found
}

fn manifest(package: &str) -> toml::Table {
    read(&repository().join(package).join("Cargo.toml")).parse().expect("a manifest is TOML")
}

fn all_sources() -> Vec<PathBuf> {
    ["schemas", "detectors", "engine", "tests", "bench"]
        .iter()
        .flat_map(|room| sources(&repository().join(room)))
        .collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let rust = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "rs");
    // `tests.rs` and `tests/` inside a room are its unit tests.
    let unit_test = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == "tests") && folder.ends_with("src");
    walk(folder).into_iter().filter(|path| rust(path) && !unit_test(path)).collect()
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            found.extend(walk(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{commands, product_part, uses};

    #[test]
    fn uses_are_found_in_every_form() {
        let text =
            "use crate::ingest::Tally;\nuse crate::{journal::{Seq, Journal}, clock};\nlet a = crate::deliver::x();";
        let found: Vec<String> = uses(text).into_iter().collect();
        assert_eq!(found, ["clock", "deliver", "ingest", "journal"]);
        assert!(uses(&product_part("// crate::http\n#[cfg(test)]\nmod tests { use crate::cli; }")).is_empty());
    }

    #[test]
    fn commands_are_found_in_shell_blocks() {
        assert_eq!(
            commands("```sh\n./tests/run --quick   # fast\n# no\n```\n```toml\ntrailsight x\n```"),
            ["./tests/run --quick"]
        );
    }
}
