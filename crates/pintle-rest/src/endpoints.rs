//! Everything that can be asked of the door, and what the rules are asked about it: for whoever has
//! to go through all of it, as the test of rights does.

use http::Method;
use pintle_authz::{ReviewKind, Verb};

use crate::reply::Page;
use crate::route::{Place, Route};

/// One path and method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The path, with placeholders for what callers make up.
    pub path: String,
    /// The method.
    pub method: Method,
    /// What the rules are asked.
    pub asked: Asked,
}

/// What the rules are asked about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: it is for everybody.
    Nothing,
    /// About the path.
    Path,
    /// About a question about rights.
    Review(ReviewKind),
    /// About objects, or their status.
    Objects {
        /// What is done to them.
        verb: Verb,
        /// Whether it is done to the status.
        status: bool,
    },
}

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// All of them.
pub fn endpoints() -> Vec<Endpoint> {
    let mut found = Vec::new();
    let mut route = Some(Route::Events);
    while let Some(this) = route {
        found.extend(of(&this));
        route = after(this);
    }
    found
}

/// Goes through every sort of route; the compiler tells when one is missing.
fn after(route: Route) -> Option<Route> {
    let place = |place| Some(Route::Resource { name: "{resource}".to_owned(), place });
    let id = || "{id}".to_owned();
    match route {
        Route::Events => next_page(None),
        Route::Fixed(page) => {
            next_page(Some(page)).or_else(|| ReviewKind::ALL.first().copied().map(Route::Review))
        }
        Route::Review(kind) => {
            let mut rest = ReviewKind::ALL.into_iter().skip_while(|it| *it != kind).skip(1);
            rest.next().map_or_else(|| place(Place::Collection), |kind| Some(Route::Review(kind)))
        }
        Route::Resource { place: this, .. } => match this {
            Place::Collection => place(Place::Object(id())),
            Place::Object(_) => place(Place::Status(id())),
            Place::Status(_) => place(Place::Condition(id(), "{type}".to_owned())),
            Place::Condition(..) => None,
        },
    }
}

fn next_page(page: Option<Page>) -> Option<Route> {
    let mut rest = Page::every().skip_while(|it| page.is_some_and(|page| *it != page));
    if page.is_some() {
        rest.next();
    }
    rest.next().map(Route::Fixed)
}

fn of(route: &Route) -> Vec<Endpoint> {
    let path = match route {
        Route::Review(kind) => format!("/{}", kind.resource().plural()),
        _ => route.template().to_owned(),
    };
    let methods = METHODS.into_iter().filter_map(|method| Some((asked(route, &method)?, method)));
    methods.map(|(asked, method)| Endpoint { path: path.clone(), method, asked }).collect()
}

/// Nothing for a method that the path cannot do.
fn asked(route: &Route, method: &Method) -> Option<Asked> {
    let reads = method == Method::GET || method == Method::HEAD;
    match route {
        Route::Fixed(page) if page.guarded_path().is_none() => reads.then_some(Asked::Nothing),
        Route::Events | Route::Fixed(_) => reads.then_some(Asked::Path),
        Route::Review(kind) => (method == Method::POST).then_some(Asked::Review(*kind)),
        Route::Resource { place, .. } => {
            let status = matches!(place, Place::Status(_) | Place::Condition(..));
            place.verb(method).map(|verb| Asked::Objects { verb, status })
        }
    }
}
