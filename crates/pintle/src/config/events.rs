//! Settings of lifecycle events: what they are called.

use pintle_events::Names;

/// What lifecycle events are called, and where they say that they come from.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct EventConfig {
    /// What the types of lifecycle events begin with, as in PREFIX.device.created
    #[arg(long, value_name = "PREFIX", default_value = "pintle", value_parser = prefix)]
    pub event_type_prefix: String,

    /// What the types of condition events begin with, as in PREFIX.ready; without it, the other
    /// prefix and .condition
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    pub condition_event_prefix: Option<String>,

    /// What the source of an event begins with, as in SOURCE/resources/Device/UID
    #[arg(long, value_name = "SOURCE", default_value = "pintle", value_parser = source)]
    pub event_source: String,
}

impl EventConfig {
    /// The names of events.
    pub fn names(&self) -> Names {
        let condition_prefix = self.condition_event_prefix.as_deref();
        Names::new(&self.event_type_prefix, condition_prefix, &self.event_source)
            .expect("each of them was read by a parser that makes names of it")
    }
}

fn prefix(text: &str) -> Result<String, pintle_events::InvalidName> {
    Names::new(text, None, "source").map(|_| text.to_owned())
}

fn source(text: &str) -> Result<String, pintle_events::InvalidName> {
    Names::new("prefix", None, text).map(|_| text.to_owned())
}
