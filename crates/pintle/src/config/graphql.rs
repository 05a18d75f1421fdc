//! The settings of the GraphQL door: what one operation may cost.

use std::time::Duration;

use super::values;

/// How far operations of the GraphQL door may go.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct GraphqlConfig {
    /// So deep a GraphQL operation may nest its fields
    #[arg(long, value_name = "COUNT", default_value_t = 15)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub graphql_depth_max: u32,

    /// So many fields of a GraphQL operation may have an alias
    #[arg(long, value_name = "COUNT", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub graphql_aliases_max: u32,

    /// So many root fields a GraphQL operation may have
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub graphql_root_fields_max: u32,

    /// So many tokens a GraphQL document may have, the white space between them included
    #[arg(long, value_name = "COUNT", default_value_t = 5_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub graphql_tokens_max: u32,

    /// So many directives a GraphQL operation may use
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub graphql_directives_max: u32,

    /// So much a GraphQL operation may cost: one for each value, times the size of the pages that
    /// it is below
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub graphql_cost_max: u32,

    /// So many objects a page of a GraphQL list may have
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub graphql_page_max: u32,

    /// So many items a GraphQL bulk write may have
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub graphql_bulk_max: u32,

    /// So many operations a WebSocket of the GraphQL door may have going on at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub graphql_subscriptions_max: u32,

    /// Largest request body that the GraphQL door takes
    #[arg(long, value_name = "SIZE", default_value = "3MiB", value_parser = values::body_size)]
    pub graphql_body_bytes_max: usize,

    /// So long a GraphQL request may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = values::duration)]
    pub graphql_timeout: Duration,
}

impl Default for GraphqlConfig {
    fn default() -> Self {
        Self {
            graphql_depth_max: 15,
            graphql_aliases_max: 30,
            graphql_root_fields_max: 20,
            graphql_tokens_max: 5_000,
            graphql_directives_max: 50,
            graphql_cost_max: 10_000,
            graphql_page_max: 1_000,
            graphql_bulk_max: 500,
            graphql_subscriptions_max: 100,
            graphql_body_bytes_max: 3 * 1024 * 1024,
            graphql_timeout: Duration::from_mins(1),
        }
    }
}
