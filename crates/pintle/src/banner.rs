//! What the server says when it is ready.

use std::fmt::Write as _;

use pintle_engine::{AccessMode, Catalog};

use crate::tls::ServerTls;

/// Everything that the greeting tells.
#[derive(Debug)]
pub(crate) struct Banner<'a> {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) catalog: &'a Catalog,
    pub(crate) mode: AccessMode,
    /// Only an earlier start asked for that mode.
    pub(crate) remembered: bool,
    pub(crate) has_tokens: bool,
    pub(crate) tls: Option<&'a ServerTls>,
    /// Where the data is, in words.
    pub(crate) data: String,
    /// The name of an object to try the commands on, with the path of its kind.
    pub(crate) sample: Option<String>,
}

/// So many kinds are named; of the others only the number is told.
const KINDS_SHOWN: usize = 8;

impl Banner<'_> {
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", self.address);
        let rows = [
            ("address", url.clone()),
            ("doors", "REST, GraphQL, Kubernetes".to_owned()),
            ("kinds", self.kinds()),
            ("authorised", self.rights()),
            ("data", self.data.clone()),
        ];
        out.push_str("Pintle is ready.\n\n");
        for (name, value) in rows {
            writeln!(out, "  {name:<12}{value}").expect("text grows in memory");
        }
        if let Some(ca) = self.ca() {
            writeln!(out, "  {:<12}{ca} (clients have to be told to trust it)", "certificate")
                .expect("text grows in memory");
        }
        out.push_str("\nTry:\n\n");
        for command in self.commands(&url) {
            writeln!(out, "  {command}").expect("text grows in memory");
        }
        out
    }

    fn ca(&self) -> Option<String> {
        Some(self.tls?.ca.as_ref()?.display().to_string())
    }

    fn kinds(&self) -> String {
        let declared: Vec<String> = self
            .catalog
            .iter()
            .filter(|served| !served.definition.core)
            .map(|served| served.resource().to_string())
            .collect();
        let core = self.catalog.iter().count() - declared.len();
        let shown = declared.iter().take(KINDS_SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let more = declared.len().saturating_sub(KINDS_SHOWN);
        match (declared.is_empty(), more) {
            (true, _) => format!("none declared yet, and {core} core kinds"),
            (false, 0) => format!("{shown}, and {core} core kinds"),
            (false, more) => format!("{shown}, {more} more, and {core} core kinds"),
        }
    }

    fn rights(&self) -> String {
        let remembered = if self.remembered {
            " (as this data directory was started before; --authorization none changes that)"
        } else {
            ""
        };
        format!("{}{remembered}", self.mode_in_words())
    }

    const fn mode_in_words(&self) -> &'static str {
        match (self.mode, self.has_tokens) {
            (AccessMode::Rules, true) => "by role; callers show who they are",
            (AccessMode::Rules, false) => {
                "by role, and nobody can say who they are: start with --tokens FILE"
            }
            (AccessMode::Open, true) => {
                "NO: EVERY HOLDER OF A TOKEN MAY DO EVERYTHING; --policy FILE changes that"
            }
            (AccessMode::Open, false) => {
                "no: everybody on this machine may do everything; --policy and --tokens change that"
            }
        }
    }

    fn commands(&self, url: &str) -> Vec<String> {
        let token = if self.has_tokens { " -H \"Authorization: Bearer $TOKEN\"" } else { "" };
        let trust = self.ca().map(|ca| format!(" --cacert {ca}")).unwrap_or_default();
        let token = format!("{trust}{token}");
        let Some(path) = &self.sample else {
            return vec![format!("curl{token} {url}/customresourcedefinitions")];
        };
        vec![
            format!("curl{token} {url}{path}"),
            format!(
                "curl{token} -X PATCH {url}{path}/status -H 'Content-Type: application/json' \
                 -d '{{\"status\":{{}}}}'"
            ),
            format!(
                "curl{token} -N '{url}{}?watch=true'",
                path.rsplit_once('/').map_or("", |(kind, _)| kind)
            ),
        ]
    }
}
