//! What stands in the flags: rates, shares, and routes with either.

use crate::config::words;

/// `--route NAME=AMOUNT`.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenRoute {
    pub route: String,
    pub amount: Amount,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// Of all requests.
    Share(f64),
    /// Requests a second.
    Rate(f64),
}

/// `SHARE` for all routes, `NAME=SHARE` for one.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenShare {
    pub route: Option<String>,
    pub share: f64,
}

/// `120`, `120/s`, `10/min`, `5000/h`, `1000000/d`: in requests a second.
pub fn rate(text: &str) -> Result<f64, String> {
    const HINT: &str = "write requests a second, or a number with its unit: 120, 10/min, 5000/h, 1000000/d";
    let (number, unit) = text.split_once('/').map_or((text, "s"), |(number, unit)| (number.trim(), unit.trim()));
    let seconds = match unit {
        "s" | "sec" | "second" => 1.0,
        "m" | "min" | "minute" => 60.0,
        "h" | "hour" => 3_600.0,
        "d" | "day" => 86_400.0,
        _ => return Err(HINT.into()),
    };
    let number: f64 = number.replace('_', "").parse().map_err(|_| HINT.to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number / seconds) } else { Err(HINT.into()) }
}

/// `GET /orders/{id}=35%` or `orders=12/s`.
pub fn route(text: &str) -> Result<GivenRoute, String> {
    let Some((route, amount)) = text.rsplit_once('=').filter(|(route, _)| !route.trim().is_empty()) else {
        return Err(
            "write the route and its share or rate: \"GET /orders/{id}=35%\" or \"GET /orders/{id}=12/s\"".into()
        );
    };
    let amount = if amount.contains('/') { Amount::Rate(rate(amount)?) } else { Amount::Share(share(amount)?) };
    Ok(GivenRoute { route: route.trim().to_owned(), amount })
}

/// `0.0001`, `0.01%`, or one of them for one route: `GET /orders/{id}=0.01%`.
pub fn expected(text: &str) -> Result<GivenShare, String> {
    match text.rsplit_once('=') {
        Some((route, amount)) => Ok(GivenShare { route: Some(route.trim().to_owned()), share: share(amount)? }),
        None => Ok(GivenShare { route: None, share: share(text)? }),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = words::share(text)?;
    if share <= 1.0 { Ok(share) } else { Err("a share is at most 1, or 100%".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_shares() {
        assert_eq!(
            [rate("120"), rate("120/s"), rate("30/min"), rate("86400 / d")],
            [Ok(120.0), Ok(120.0), Ok(0.5), Ok(1.0)]
        );
        for wrong in ["", "-1", "0", "ten", "10/week", "inf", "NaN"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        let orders = |amount| Ok(GivenRoute { route: "GET /orders/{id}".into(), amount });
        assert_eq!(route("GET /orders/{id}=35%"), orders(Amount::Share(0.35)));
        assert_eq!(route("GET /orders/{id} = 0.35"), orders(Amount::Share(0.35)));
        assert_eq!(route("GET /orders/{id}=12/min"), orders(Amount::Rate(0.2)));
        assert_eq!(route("/q?a=b=5%").map(|r| r.route), Ok("/q?a=b".into()));
        for wrong in ["35%", "=35%", "GET /a=120%", "GET /a=many"] {
            assert!(route(wrong).is_err(), "{wrong}");
        }
        assert_eq!(expected("0.01%"), Ok(GivenShare { route: None, share: 0.0001 }));
        assert_eq!(expected("orders=0.5"), Ok(GivenShare { route: Some("orders".into()), share: 0.5 }));
        assert!(expected("2").is_err());
    }
}
