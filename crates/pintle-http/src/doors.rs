//! [`Doors`]: several doors behind one address.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};

use crate::{Body, Door, RequestBody};

/// Several doors as one: the first segment of a path says which of them answers.
#[derive(Debug)]
pub struct Doors {
    named: Vec<(&'static [&'static str], Arc<dyn Door>)>,
    other: Arc<dyn Door>,
}

impl Doors {
    /// This door answers whatever no other one does.
    pub fn new(other: Arc<dyn Door>) -> Self {
        Self { named: Vec::new(), other }
    }

    /// This door answers paths that begin with one of these segments.
    #[must_use]
    pub fn with(mut self, segments: &'static [&'static str], door: Arc<dyn Door>) -> Self {
        self.named.push((segments, door));
        self
    }

    /// The door that answers this path.
    fn door(&self, path: &str) -> &Arc<dyn Door> {
        let below = path.strip_prefix('/').unwrap_or(path);
        let first = below.split('/').next().unwrap_or(below);
        let named = self.named.iter().find(|(segments, _)| segments.contains(&first));
        named.map_or(&self.other, |(_, door)| door)
    }
}

impl Door for Doors {
    fn handle(
        self: Arc<Self>,
        request: Request<RequestBody>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Arc::clone(self.door(request.uri().path())).handle(request)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    struct Named(&'static str);

    impl fmt::Debug for Named {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Door for Named {
        fn handle(
            self: Arc<Self>,
            _: Request<RequestBody>,
        ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
            Box::pin(async { Response::new(Body::empty()) })
        }
    }

    #[test]
    fn the_first_segment_says_which_door_answers() {
        let doors = Doors::new(Arc::new(Named("rest")))
            .with(&["graphql"], Arc::new(Named("graphql")))
            .with(&["api", "apis"], Arc::new(Named("kube")));
        for (path, name) in [
            ("/", "rest"),
            ("", "rest"),
            ("*", "rest"),
            ("/devices/graphql", "rest"),
            ("/graphql", "graphql"),
            ("/graphql/", "graphql"),
            ("/graphql/schema.graphql", "graphql"),
            ("/graphqls", "rest"),
            ("//graphql", "rest"),
            ("/api", "kube"),
            ("/apis/infra.example.io/v1", "kube"),
        ] {
            assert_eq!(format!("{:?}", doors.door(path)), name, "{path}");
        }
    }
}
