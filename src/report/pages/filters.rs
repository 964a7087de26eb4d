//! How templates write numbers and names.

use super::{Markup, Timestamp, Verdict, route_name};
use crate::report::format;
use askama::filters::Safe;
use askama::{Result, Values};

/// A value, however many references the template engine has put before it.
pub trait Plain<V> {
    fn plain(&self) -> V;
}

impl<V, T: Plain<V> + ?Sized> Plain<V> for &T {
    fn plain(&self) -> V {
        (**self).plain()
    }
}

macro_rules! plain {
    ($($t:ty),*) => { $(impl Plain<$t> for $t {
        fn plain(&self) -> $t {
            *self
        }
    })* };
}

plain!(u64, f64, Option<f64>, Verdict, Timestamp);

#[askama::filter_fn]
pub fn thousands<T: Plain<u64>>(n: T, _: &dyn Values) -> Result<String> {
    Ok(format::thousands(n.plain()))
}

#[askama::filter_fn]
pub fn share<T: Plain<f64>>(x: T, _: &dyn Values) -> Result<String> {
    Ok(format::share(x.plain()))
}

#[askama::filter_fn]
pub fn micros<T: Plain<u64>>(us: T, _: &dyn Values) -> Result<String> {
    Ok(format::micros(us.plain()))
}

#[askama::filter_fn]
pub fn ratio<T: Plain<Option<f64>>>(x: T, _: &dyn Values) -> Result<String> {
    Ok(format::ratio(x.plain()))
}

#[askama::filter_fn]
pub fn bytes<T: Plain<u64>>(n: T, _: &dyn Values) -> Result<String> {
    Ok(format::bytes(n.plain()))
}

/// Symbol and word.
#[askama::filter_fn]
pub fn word<T: Plain<Verdict>>(verdict: T, _: &dyn Values) -> Result<&'static str> {
    Ok(format::word(verdict.plain()))
}

#[askama::filter_fn]
pub fn route<T: AsRef<str>>(name: T, _: &dyn Values) -> Result<Safe<Markup>> {
    Ok(Safe(route_name(name.as_ref())))
}

/// What was drawn here, of numbers and of text that was escaped.
#[askama::filter_fn]
pub fn drawn<T: AsRef<Markup>>(markup: T, _: &dyn Values) -> Result<Safe<Markup>> {
    Ok(Safe(markup.as_ref().clone()))
}
