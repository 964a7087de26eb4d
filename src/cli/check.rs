//! `parallax check`.

use super::args::{CheckArgs, ColorWhen};
use super::exit::{Exit, Failure};
use super::terminal::Look;
use super::{now, print, say};
use crate::app;
use crate::config::{self, Flags};
use crate::model::Notice;

pub fn run(args: CheckArgs, color: ColorWhen) -> Result<Exit, Failure> {
    if args.defaults {
        print(config::DEFAULTS)?;
        return Ok(Exit::Ok);
    }
    if args.schema {
        print(&config::schema())?;
        return Ok(Exit::Ok);
    }
    let checked = config::load(args.config.as_deref(), &Flags::default())
        .map_err(|e| Failure::drawn(e.render(Look::stderr(color).color)))?;
    for warning in &checked.warnings {
        say(&format!("warning: {warning}\n"));
    }
    for Notice { message, hint, .. } in app::expiries(&checked, now())? {
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        say(&format!("warning: {message}{hint}\n"));
    }
    print(&config::effective(&checked))?;
    Ok(Exit::Ok)
}
