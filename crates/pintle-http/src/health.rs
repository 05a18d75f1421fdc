//! Whether the server can do its work, and if not, why.

use pintle_engine::Engine;

/// Catalogue and rules may be so many revisions behind what was written.
const FOLLOWER_LAG_MAX: u64 = 10_000;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// The checks of a server that answers at all.
pub fn alive() -> Vec<Check> {
    vec![Check { name: "ping", problem: None }]
}

/// The checks of a server that does its work.
pub fn ready(engine: &Engine) -> Vec<Check> {
    let leaving = engine.is_leaving();
    let behind = engine.newest().0.saturating_sub(engine.followed_up_to().0);
    let lagging = (behind > FOLLOWER_LAG_MAX)
        .then(|| format!("kinds and rules are {behind} revisions behind what was written"));
    let broken = engine.broken().map(|task| format!("{task} has broken off; restart the server"));
    vec![
        Check { name: "ping", problem: None },
        Check { name: "store", problem: engine.measures().store_trouble() },
        Check { name: "follower", problem: lagging },
        Check { name: "tasks", problem: broken },
        Check { name: "shutdown", problem: leaving.then(|| "the server is shutting down".into()) },
    ]
}

/// Whether all is well, and the list of the checks as Kubernetes writes it, for `page`.
pub fn list(page: &str, checks: &[Check]) -> (bool, String) {
    let line = |Check { name, problem }: &Check| match problem {
        None => format!("[+]{name} ok\n"),
        Some(problem) => format!("[-]{name} failed: {problem}\n"),
    };
    let lines: String = checks.iter().map(line).collect();
    let well = checks.iter().all(|check| check.problem.is_none());
    let outcome = if well { "passed" } else { "failed" };
    (well, format!("{lines}{page} check {outcome}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_problem_is_enough() {
        let mut checks = alive();
        assert_eq!(list("readyz", &checks), (true, "[+]ping ok\nreadyz check passed\n".into()));
        checks.push(Check { name: "store", problem: Some("no room".into()) });
        let failed = "[+]ping ok\n[-]store failed: no room\nreadyz check failed\n";
        assert_eq!(list("readyz", &checks), (false, failed.into()));
    }
}
