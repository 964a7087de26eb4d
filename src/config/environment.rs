//! `${NAME}` in strings, from the environment; `$${` is a plain `${`.

use super::node::{Node, Table, Value};
use super::problem::Problem;
use super::read::Problems;

/// Replaces in every string of the tree. What was written is kept beside it.
pub(super) fn replace(table: &mut Table, environment: &dyn Fn(&str) -> Option<String>, problems: &Problems) {
    for entry in &mut table.0 {
        replace_in(&mut entry.node, environment, problems);
    }
}

/// The text that [`replace`] turns into `value`.
pub(super) fn escape(value: &str) -> String {
    value.replace("${", "$${")
}

fn replace_in(node: &mut Node, environment: &dyn Fn(&str) -> Option<String>, problems: &Problems) {
    match &mut node.value {
        Value::Text(text) => match expand(&text.written, environment) {
            Ok(value) => text.value = value,
            Err((message, label)) => {
                problems.borrow_mut().push(Problem::at(node.place.clone(), message).label(label));
            }
        },
        Value::Array(items) => items.iter_mut().for_each(|item| replace_in(item, environment, problems)),
        Value::Table(table) => replace(table, environment, problems),
        _ => {}
    }
}

fn expand(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, (String, String)> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        let inner = from.get(2..).unwrap_or_default();
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = inner;
            continue;
        }
        out.push_str(before);
        let escape = "write `$${` for a plain `${`".to_owned();
        let Some((name, tail)) = inner.split_once('}') else {
            return Err(("a `${` has no `}`".to_owned(), escape));
        };
        let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !named {
            return Err((format!("`${{{name}}}` does not name an environment variable"), escape));
        }
        match environment(name) {
            Some(value) => out.push_str(&value),
            None => return Err((format!("the environment variable {name} is not set"), escape)),
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_and_escaped() {
        let env = |name: &str| (name == "HOST").then(|| "old".to_owned());
        assert_eq!(expand("http://${HOST}:80", &env).unwrap(), "http://old:80");
        assert_eq!(expand("$${HOST} ${HOST}${HOST} $x $", &env).unwrap(), "${HOST} oldold $x $");
        for value in ["${HOST}", "a${", "$x", "$${"] {
            assert_eq!(expand(&escape(value), &env).unwrap(), value);
        }
        assert_eq!(expand("${PORT}", &env).unwrap_err().0, "the environment variable PORT is not set");
        assert_eq!(expand("${1}", &env).unwrap_err().0, "`${1}` does not name an environment variable");
        assert_eq!(expand("${HOST", &env).unwrap_err().0, "a `${` has no `}`");
    }
}
