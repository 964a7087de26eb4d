//! A route as people name it on the command line.

use super::exit::Failure;
use crate::model::Fields;
use crate::routes::{RouteSpec, RouteTable};
use http::{Method, Uri};

/// What a `--route` means.
#[derive(Debug)]
pub struct Named {
    pub method: Method,
    /// Where it is asked for; `/` where that can't be told.
    pub uri: Uri,
    /// The name that rules and reports go by.
    pub route: String,
    /// The index of the `[[route]]` that takes it.
    pub configured: Option<usize>,
}

// === impl Named ===

impl Named {
    /// `GET /orders/42`, `/orders/42`, `GET orders` or `orders`. Where it is known which routes are configured, a name
    /// has to be one of theirs.
    pub fn read(given: &str, specs: Option<&[RouteSpec]>) -> Result<Named, Failure> {
        let given = given.trim();
        let (method, place) = match given.split_once(' ') {
            Some((method, place)) => {
                let method = method.parse().map_err(|_| Failure::new(format!("`{method}` is no method")))?;
                (method, place.trim())
            }
            None => (Method::GET, given),
        };
        let is_path = place.starts_with('/');
        let known_specs = specs.unwrap_or_default();
        // An operation follows the name of its route.
        let bare = place.split(' ').next().unwrap_or_default();
        let known = known_specs.iter().position(|spec| spec.name == bare);
        if !is_path && known.is_none() && specs.is_some() {
            return Err(unknown(place, known_specs.iter().map(|spec| spec.name.as_str())));
        }
        let path =
            if is_path { place } else { known.and_then(|at| known_specs.get(at)).map_or("/", |spec| &spec.path) };
        // A template is as good as any path that fits it.
        let uri: Uri = path.parse().unwrap_or_else(|_| Uri::from_static("/"));
        let (route, configured) = match (is_path, RouteTable::new(known_specs)) {
            (true, Ok(table)) => {
                let found = table.resolve(&method, None, uri.path(), uri.query(), &Fields::default());
                let named = |spec: &&RouteSpec| found.configured.is_none() && spec.bears(&format!("{method} {place}"));
                if let Some((at, _)) = known_specs.iter().enumerate().find(|(_, spec)| named(spec)) {
                    // Called by its path, and of one host.
                    return Ok(Named { route: format!("{method} {place}"), uri, configured: Some(at), method });
                }
                // What stands for many paths is a name already.
                let template = found.configured.is_none() && uri.path().contains('{');
                (if template { format!("{method} {}", uri.path()) } else { found.name.to_string() }, found.configured)
            }
            _ => (format!("{method} {place}"), known),
        };
        Ok(Named { method, uri, route, configured })
    }
}

fn unknown<'a>(place: &str, names: impl Iterator<Item = &'a str>) -> Failure {
    let names: Vec<_> = names.collect();
    let failure = Failure::new(format!("no route is named `{place}`"));
    if names.is_empty() {
        return failure.help("the configuration names none; give a path, e.g. --route \"GET /users/{id}\"");
    }
    failure.help(format!(
        "the configuration names {}; or give a path, e.g. --route \"GET /users/{{id}}\"",
        names.join(", ")
    ))
}
