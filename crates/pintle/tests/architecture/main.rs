//! The shape of the workspace as tests: which crate may know which (`layers`), what each needs to
//! be a package of its own (`packages`), and what only a look at the text of the sources finds
//! (`tidy`).
//!
//! What clippy can see is a lint in the root manifest, not a rule here. A rule says why it is there
//! in the message that it fails with; ARCHITECTURE.md lists the invariants that these tests hold.

mod layers;
mod packages;
mod sources;
mod tidy;
mod workspace;

/// Fails when there is anything in `found`, with the rule and its reason.
fn expect_none(rule: &str, why: &str, found: impl IntoIterator<Item = String>) {
    let found: Vec<String> = found.into_iter().collect();
    let places = found.join("\n  ");
    assert!(
        found.is_empty(),
        "\nrule: {rule}\nwhy:  {why}\nbroken {}x:\n  {places}\n",
        found.len()
    );
}
