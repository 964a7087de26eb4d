//! What a pass will take, told before a run: from flags, a log, a folder, a proxy.

use crate::harness::*;
use serde_json::Value;
use std::path::Path;

const CONFIG: &str = "[gate]\nmin_duration = \"2h\"\n[mirror]\nsample = 0.5\n\
                      [[route]]\nname = \"orders\"\npath = \"/orders/{id}\"\ncritical = true\nsample = 1.0\n\
                      [[route]]\nname = \"writes\"\npath = \"/writes\"\nmax_rate = 1\nmethods = [\"POST\"]\n";

fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn json_of(args: &[&str]) -> Value {
    let output = parallax(&[&["forecast", "--format", "json"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn route<'a>(forecast: &'a Value, name: &str) -> &'a Value {
    let mut routes = forecast["routes"].as_array().unwrap().iter().filter(|r| r["route"] == name);
    routes.next().unwrap_or_else(|| panic!("no {name} in {forecast:#}"))
}

#[test]
fn one_rate_is_for_all_routes_together() {
    let folder = tempfile::tempdir().unwrap();
    let routes = "[[route]]\nname = \"a\"\npath = \"/a\"\n[[route]]\nname = \"b\"\npath = \"/b\"\nmax_rate = 5\n";
    let config = file(folder.path(), "parallax.toml", &format!("[mirror]\nmax_rate = 10\n{routes}"));
    let forecast = json_of(&["--config", &config, "--rate", "100", "--route", "GET a=40/s", "--route", "GET b=40/s"]);
    let rate = |name: &str| route(&forecast, name)["comparisons_per_second"].as_f64().unwrap();
    let rates = ["GET a", "GET b", "GET {other}"].map(rate);
    // What is left of each by its own rate shares the other.
    let expected = [40.0, 5.0, 20.0].map(|left| left * 10.0 / 65.0);
    assert!(rates.iter().zip(expected).all(|(rate, expected)| (rate - expected).abs() < 0.01), "{rates:?}");
    // What lifts a limit is said where that is.
    let place = |limits: &str| {
        let routes = "[[route]]\nname = \"a\"\npath = \"/a\"\ncritical = true\n";
        let gate = "[gate]\nmin_duration = \"1h\"\nmax_duration = \"10h\"\n";
        let config = file(folder.path(), "place.toml", &format!("{gate}{}", limits.replace("ROUTES", routes)));
        let forecast = json_of(&["--config", &config, "--rate", "40", "--route", "GET a=40/s"]);
        let changes = forecast["hopeless"][0]["changes"].as_array().unwrap().iter();
        let lifts = changes.filter(|change| change["set"] == "max_rate = 0").map(|change| change["place"].clone());
        lifts.collect::<Vec<_>>()
    };
    assert_eq!(place("[mirror]\nmax_rate = 1\nROUTES"), ["[mirror]"]);
    assert_eq!(place("ROUTESmax_rate = 1\n"), ["[[route]] a"]);
}

#[test]
fn from_what_is_told() {
    let output = parallax(&["forecast", "--rate", "120"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.starts_with("a clean candidate can pass after about 1 d: min_duration decides\n"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let config = file(folder.path(), "parallax.toml", CONFIG);
    let routes = [
        "--route",
        "GET /orders/7=25%",
        "--route",
        "GET /b=50%",
        "--route",
        "POST writes=10/s",
        "--route",
        "DELETE /b=0.05",
    ];
    let forecast = json_of(&[&["--config", &config, "--rate", "100", "--errors", "/b=0.01%"], &routes[..]].concat());
    let rate = |name: &str| route(&forecast, name)["comparisons_per_second"].as_f64().unwrap();
    // The route's own sample, that of all, one comparison a second at most, a method that is not mirrored, the rest.
    let rates = ["GET orders", "GET /b", "POST writes", "DELETE /b", "GET {other}"].map(rate);
    assert_eq!(rates, [25.0, 25.0, 1.0, 0.0, 5.0]);
    assert_eq!((&route(&forecast, "GET orders")["needed"], &forecast["can_pass"]), (&56_154.into(), &false.into()));
    assert_eq!(route(&forecast, "GET /b")["expected"]["errors"], 0.0001);
    // Writes and deletions that are not mirrored leave too much uncovered.
    assert_eq!(forecast["hopeless"][0]["criterion"], "coverage");

    for (args, heart) in [
        (&["--route", "GET /a=10%"][..], "of how many requests"),
        (&["--rate", "5", "--route", "/a=60%", "--route", "/b=60%"], "120.0 % of all requests"),
        (&["--rate", "5", "--route", "orders=60%"], "no route is named `orders`"),
        (&["--rate", "5", "--divergence", "/a=1%"], "there is no such route"),
        (&["--rate", "5/week"], "10/min"),
        (&["--traffic", "/nowhere/x.log"], "cannot read"),
    ] {
        let output = parallax(&[&["forecast"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(heart), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn from_an_access_log() {
    let folder = tempfile::tempdir().unwrap();
    let line = |n: u32, request: &str| {
        format!(
            "10.0.0.{} - - [10/Oct/2026:13:{:02}:{:02} +0000] \"{request} HTTP/1.1\" 200 5\n",
            n % 9,
            n / 60,
            n % 60
        )
    };
    let log: String =
        (0..=600).map(|n| line(n, if n % 4 == 0 { "GET /users/7" } else { "GET /orders/7?x=1" })).collect();
    let log = file(folder.path(), "access.log", &format!("{log}garbage\n"));
    let config = file(folder.path(), "parallax.toml", CONFIG);
    let forecast = json_of(&["--traffic", &log, "--config", &config]);
    assert!((forecast["requests_per_second"].as_f64().unwrap() - 601.0 / 600.0).abs() < 1e-9);
    assert_eq!(route(&forecast, "GET orders")["critical"], true);
    assert!((route(&forecast, "GET /users/{id}")["share"].as_f64().unwrap() - 151.0 / 601.0).abs() < 1e-9);

    let told = parallax(&["forecast", "--traffic", &log, "--rate", "5000/h"]);
    assert!(text(&told.stdout).contains("1.4 requests a second"), "{}", text(&told.stdout));
    assert!(text(&told.stderr).starts_with("note: 1 of 602 lines are no requests"), "{}", text(&told.stderr));

    let bare = file(folder.path(), "paths.txt", &"GET /users/7\n".repeat(120));
    let unknown = parallax(&["forecast", "--traffic", &bare]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("--span"), "{}", text(&unknown.stderr));
    assert_eq!(json_of(&["--traffic", &bare, "--span", "1m"])["requests_per_second"], 2.0);
}

#[test]
fn from_a_proxy_and_from_its_folder() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"));
    let strict = "[gate]\ntolerance = \"5%\"\nmin_duration = \"0s\"\n";
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).config(strict).start();
    let none = proxy.ask(&["forecast"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("has seen no request yet"), "{}", text(&none.stderr));

    let mut client = proxy.connect();
    for path in ["/things/7", "/things/8", "/things/9", "/other"] {
        client.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        client.read_reply();
    }
    proxy.settled(4);
    let asked = proxy.ask(&["forecast", "--format", "json", "--rate", "40"]);
    assert!(text(&asked.stderr).contains("by the default limits"), "{}", text(&asked.stderr));
    let forecast: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(route(&forecast, "GET /things/{id}")["limit"], 0.001);
    assert!((forecast["requests_per_second"].as_f64().unwrap() - 40.0).abs() < 1e-6);

    // The folder knows by which limits it is judged.
    proxy.signal("-TERM");
    proxy.wait();
    let data = proxy.folder.join("data");
    let forecast = json_of(&["--data", data.to_str().unwrap()]);
    assert_eq!(route(&forecast, "GET /things/{id}")["limit"], 0.05);
}
