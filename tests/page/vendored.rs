//! What others have written and we carry: named with version, licence and digest, and unchanged.
//! `tests/page/fetch` holds the same files against the package itself.

use sha2::{Digest, Sha256};

use crate::scale::repository;

#[test]
fn what_is_vendored_is_what_the_notice_says() {
    let notice =
        std::fs::read_to_string(repository().join("docs/third-party.md")).expect("docs/third-party.md is there");
    let folder = repository().join("engine/src/http/page/vendor");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).expect("it can be read");
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(notice.lines().any(|line| line.contains(&name) && line.contains(&digest)), "{name} is {digest}");
        files += 1;
    }
    assert_eq!(files, 3);
    assert!(notice.contains("uPlot 1.6.32") && notice.contains("MIT"));
}
