//! Every link between the pages of the repository leads somewhere: to a file that is there, and to
//! a heading that it has. The book stays within itself, because it is also read where the
//! repository is not.

use std::path::{Path, PathBuf};

use crate::harness::server::repository;

/// The pages of the repository, the book's and others.
fn pages() -> Vec<PathBuf> {
    let mut open = vec![repository()];
    let mut pages = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_ours = !name.starts_with('.') && name != "target";
            if path.is_dir() && is_ours {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// A page without what is code.
fn prose(page: &Path) -> String {
    let text = std::fs::read_to_string(page).expect("pages are text");
    let outside = text.split("```").step_by(2).collect::<Vec<_>>().join("\n");
    outside.split('`').step_by(2).collect()
}

/// What stands in `](…)`, other pages of the web aside.
fn links(prose: &str) -> impl Iterator<Item = &str> {
    let links = prose.split("](").skip(1).filter_map(|after| Some(after.split_once(')')?.0));
    links.filter(|link| !link.starts_with("http://") && !link.starts_with("https://"))
}

/// The anchors of the headings of a page.
fn anchors(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).expect("pages are text");
    let outside = text.split("```").step_by(2).collect::<Vec<_>>().join("\n");
    let headings = outside.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

/// As GitHub and mdBook make them.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn check(page: &Path, link: &str) -> Result<(), String> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let directory = page.parent().expect("a page is in a directory");
    let target = if file.is_empty() { page.to_owned() } else { directory.join(file) };
    let target = target.canonicalize().map_err(|_| "there is no such file".to_owned())?;
    let book = repository().join("docs/src");
    if page.starts_with(&book) && !target.starts_with(&book) {
        return Err("it leads out of the book".to_owned());
    }
    if !anchor.is_empty() && !anchors(&target).iter().any(|it| it == anchor) {
        return Err(format!("{} has no such heading", target.display()));
    }
    Ok(())
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    let mut count = 0;
    for page in pages() {
        let prose = prose(&page);
        for link in links(&prose) {
            count += 1;
            if let Err(why) = check(&page, link) {
                dead.push(format!("{}: {link}: {why}", page.display()));
            }
        }
    }
    assert!(count > 20, "pages have links: {count}");
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn a_dead_link_is_found() {
    let readme = repository().join("README.md");
    let page = repository().join("docs/src/rest.md");
    for (from, link, lives) in [
        (&readme, "ARCHITECTURE.md#words", true),
        (&readme, "ARCHITECTURE.md#no-such-heading", false),
        (&readme, "NOWHERE.md", false),
        (&page, "#versions-and-conflicts", true),
        (&page, "policy.md", true),
        (&page, "../../README.md", false),
    ] {
        assert_eq!(check(from, link).is_ok(), lives, "{link}");
    }
}
