//! Every key there is: its name, what it takes, what it does. The reader, the schema, the effective configuration and
//! the search for a misspelt key all go by this table. Defaults are not here: `config/parallax.toml` is their home.

/// A table of the file.
#[derive(Debug)]
pub(super) struct Section {
    pub name: &'static str,
    pub doc: &'static str,
    /// `[[name]]`, any number of them.
    pub repeated: bool,
    /// Its keys; a list of lists, because legs and routes share keys.
    pub keys: &'static [&'static [Key]],
}

#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub doc: &'static str,
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Without spaces.
    Name,
    Host,
    Pattern,
    Filter,
    Url,
    /// `host:port` of our own.
    Address,
    /// A file that must exist.
    File,
    /// Several of them.
    Files,
    Folder,
    /// Zero is allowed.
    Duration,
    /// Zero is not.
    Timeout,
    Size {
        min: u64,
        max: u64,
    },
    /// 0 to 1, both included.
    Share,
    /// Above 0 and below 1.
    Fraction,
    Count {
        min: u64,
        max: u64,
    },
    AtLeast(f64),
    Bool,
    Choice(&'static [&'static str]),
    Header,
    Patterns,
    Locations,
    Choices(&'static [&'static str]),
    Headers,
    Methods,
    HeaderMap,
    SampleBy,
    Operation,
    Template,
    Date,
    Table(&'static [Key]),
    Ignore,
    Align,
    Shape,
    Same,
    Phases,
}

pub(super) const CRITERIA: &[&str] = &["divergence", "errors", "latency", "coverage", "unseen", "unjudged", "minimum"];
pub(super) const IGNORE: &[&str] = &["missing", "extra", "value", "order"];
pub(super) const ALIGN: &[&str] = &["lcs", "index", "set", "multiset", "auto"];

const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, doc }
}

const fn count(max: u64) -> Kind {
    Kind::Count { min: 1, max }
}

pub(super) const SECTIONS: &[Section] = &[
    Section { name: "listen", doc: "Where clients connect.", repeated: false, keys: &[LISTEN] },
    Section {
        name: "admin",
        doc: "The dashboard, the API, metrics and readiness: an interface of its own.",
        repeated: false,
        keys: &[ADMIN],
    },
    Section { name: "primary", doc: "The old system: users are served from it.", repeated: false, keys: &[LEG] },
    Section {
        name: "candidate",
        doc: "The new system: it gets copies, nobody sees its answers.",
        repeated: false,
        keys: &[LEG, CANDIDATE],
    },
    Section {
        name: "control",
        doc: "Optional: a second instance of the old system. What differs between two of the same is noise.",
        repeated: false,
        keys: &[LEG, CONTROL],
    },
    Section { name: "mirror", doc: "What is mirrored, and within which budgets.", repeated: false, keys: &[MIRROR] },
    Section {
        name: "route",
        doc: "Requests that belong together; the first match wins. Takes any key of [mirror] and [gate] too.",
        repeated: true,
        keys: &[ROUTE, MIRROR, GATE],
    },
    Section { name: "rule", doc: "A difference that is meant, or does not matter.", repeated: true, keys: &[RULE] },
    Section { name: "grpc", doc: "How gRPC messages are read.", repeated: false, keys: &[GRPC] },
    Section { name: "redact", doc: "What is never stored or shown.", repeated: false, keys: &[REDACT] },
    Section { name: "store", doc: "Where the evidence is kept.", repeated: false, keys: &[STORE] },
    Section { name: "gate", doc: "What evidence must show for a verdict.", repeated: false, keys: &[GATE] },
    Section { name: "rollout", doc: "Not built yet.", repeated: false, keys: &[ROLLOUT] },
    Section { name: "telemetry", doc: "Logs and traces.", repeated: false, keys: &[TELEMETRY] },
];

/// Keys that are no more: section, old name, and what to write instead.
pub(super) const RETIRED: &[(&str, &str, &str)] = &[];

const SERVER_TLS: &[Key] = &[
    key("certificate", Kind::File, "PEM file with the certificate chain; turns TLS on"),
    key("key", Kind::File, "PEM file with the private key of `tls.certificate`"),
];

const CLIENT_TLS: &[Key] = &[
    key("ca", Kind::File, "PEM file with the authorities to trust instead of the system's"),
    key("server_name", Kind::Host, "name that the certificate must carry, where it is not the URL's host"),
    key("insecure", Kind::Bool, "accept any certificate"),
];

const LISTEN: &[Key] = &[
    key("address", Kind::Address, "where clients connect; port 0 picks a free one"),
    key("tls", Kind::Table(SERVER_TLS), "TLS for clients; without it the listener speaks cleartext"),
    key("header_timeout", Kind::Timeout, "for a request's head to be complete"),
    key("body_timeout", Kind::Timeout, "between two chunks of a request's body"),
    key("idle_timeout", Kind::Timeout, "between two requests on a connection"),
    key("drain_timeout", Kind::Duration, "for clients in flight when the proxy is told to stop"),
    key("max_connections", count(10_000_000), "client connections at once; beyond it they are turned away with 503"),
    key("max_headers", count(10_000), "header fields of a request; answers may have 1024"),
    key(
        "max_header_bytes",
        Kind::Size { min: 8192, max: 16 << 20 },
        "bytes of a request's head; answers may have 256KiB",
    ),
    key("max_streams", count(1_000_000), "HTTP/2 streams at once on a connection"),
];

const ADMIN: &[Key] = &[
    key("address", Kind::Address, "where the admin interface listens"),
    key("token_file", Kind::File, "its content is the token; required where the address is not loopback"),
    key("tls", Kind::Table(SERVER_TLS), "TLS for the admin interface"),
    key("public_url", Kind::Url, "how people reach the admin interface, for links in reports"),
    key("open", Kind::Choices(&["/metrics", "/api/v1/gate"]), "paths that may be read without the token"),
];

const LEG: &[Key] = &[
    key(
        "url",
        Kind::Url,
        "http, https (HTTP/2 by ALPN) or h2c (HTTP/2 in cleartext); a path is put before every request's",
    ),
    key("connect_timeout", Kind::Timeout, "for a connection to be made, TLS included"),
    key(
        "response_timeout",
        Kind::Timeout,
        "from the last byte of the request that the leg has taken to the head of the answer",
    ),
    key("preserve_host", Kind::Bool, "pass the client's Host on; otherwise the leg gets its own"),
    key("tls", Kind::Table(CLIENT_TLS), "what an https leg is trusted by"),
];

const CANDIDATE: &[Key] =
    &[key("build_header", Kind::Header, "answer header in which the candidate names its build; read, never compared")];

const CONTROL: &[Key] = &[key("sample", Kind::Share, "share of mirrored exchanges that also ask the control")];

const MIRROR: &[Key] = &[
    key("sample", Kind::Share, "share of eligible requests that is mirrored"),
    key("sample_by", Kind::SampleBy, "what decides: the same caller is always in or always out"),
    key("methods", Kind::Methods, "methods that are mirrored; nothing that can write is unless it is named"),
    key(
        "start",
        Kind::Choice(&["concurrent", "after-primary"]),
        "mirror at once, or when the primary's answer is complete",
    ),
    key(
        "confirm",
        Kind::Bool,
        "after a divergence ask primary and candidate again, read-only methods only, and tell what was transient",
    ),
    key("timeout", Kind::Timeout, "for a mirrored answer to be complete"),
    key("max_in_flight", count(10_000_000), "mirrored exchanges at once; beyond it they are shed, never queued"),
    key(
        "max_rate",
        Kind::Count { min: 0, max: u32::MAX as u64 },
        "mirrored requests a second, all routes together, of which a route may have so many; 0 is no limit",
    ),
    key("memory_budget", Kind::Size { min: 1 << 20, max: 1 << 46 }, "bytes of all captured bodies together"),
    key(
        "max_body",
        Kind::Size { min: 0, max: 1 << 32 },
        "bytes of a body captured whole; a larger one is compared by digest and length",
    ),
    key("set_headers", Kind::HeaderMap, "headers added on the mirrored requests"),
    key("remove_headers", Kind::Headers, "headers sent to the primary, withheld from candidate and control"),
];

const ROUTE: &[Key] = &[
    key("name", Kind::Name, "how outputs, rules and people call the route; without it, its path"),
    key("path", Kind::Template, "a template: /orders/{id}, /files/{*rest}"),
    key("methods", Kind::Methods, "methods that belong to the route, and that are mirrored on it"),
    key("host", Kind::Host, "only requests for this host"),
    key("operation_from", Kind::Operation, "where the operation stands, when it is not in the path"),
    key("critical", Kind::Bool, "judged by critical_tolerance, and never pooled with rare routes"),
];

const TOLERANCE: &[Key] = &[
    key("absolute", Kind::AtLeast(0.0), "numbers may be this far apart"),
    key("relative", Kind::AtLeast(0.0), "numbers may be apart by this share of the larger"),
    key("ulps", Kind::Count { min: 0, max: 1 << 52 }, "numbers may be this many 64-bit floats apart"),
    key("f32_ulps", Kind::Count { min: 0, max: 1 << 23 }, "numbers may be this many 32-bit floats apart"),
    key("time", Kind::Duration, "dates and times may be this far apart"),
];

const MASK: &[Key] = &[
    key("pattern", Kind::Pattern, "what to look for in both values"),
    key("with", Kind::Text, "what its matches become before values are compared"),
];

const RULE: &[Key] = &[
    key("id", Kind::Text, "its name in reports"),
    key("why", Kind::Text, "the reason, for whoever reads it next year"),
    key("owner", Kind::Text, "who answers for it"),
    key("expires", Kind::Date, "from this day on (UTC) the rule is inactive, and warned about"),
    key("on", Kind::Text, "route name or glob; * is every route"),
    key("at", Kind::Text, "a location, as reports print it: status, header:NAME, json:$.a[*].b, grpc:$.a"),
    key("ignore", Kind::Ignore, "true for the whole location, or what of it: missing, extra, value, order"),
    key("tolerance", Kind::Table(TOLERANCE), "how far two values may be apart"),
    key("numeric_string", Kind::Bool, "strings are read as numbers: \"1.50\" and \"1.5\" are the same"),
    key("align", Kind::Align, "how elements of a list are paired; { key = [...] } by members"),
    key("shape", Kind::Shape, "values may differ, both must be of this class; { regex = \"...\" } works"),
    key("same", Kind::Same, "groups of values that mean the same; null, missing and empty are words"),
    key("mask", Kind::Table(MASK), "parts of a value that do not count"),
    key("bijection", Kind::Text, "group in which one primary value is always one candidate value"),
];

const GRPC: &[Key] = &[key(
    "descriptor_sets",
    Kind::Files,
    "files as `protoc --include_imports --descriptor_set_out` or `buf build -o` write them; fields go by name then",
)];

const REDACT: &[Key] = &[
    key("headers", Kind::Headers, "header names; their values are replaced by tags that keep equal values equal"),
    key("json", Kind::Locations, "locations in bodies, such as json:$.user.email"),
    key("patterns", Kind::Patterns, "regular expressions; what they match is replaced wherever it appears"),
];

const STORE: &[Key] = &[
    key("path", Kind::Folder, "folder of the evidence; made where it is missing"),
    key("keep_examples", Kind::Count { min: 0, max: 1000 }, "examples kept of a divergence"),
    key("keep_days", count(36_500), "days after which older epochs are forgotten"),
    key("max_size", Kind::Size { min: 1 << 20, max: 1 << 46 }, "beyond it the oldest examples go first"),
    key("url", Kind::Text, "a store that several proxies share; not built yet"),
];

const LATENCY: &[Key] = &[
    key("ratio", Kind::AtLeast(1.0), "the candidate's typical latency may be this many times the primary's"),
    key("slack", Kind::Duration, "a difference below this never counts"),
    key("block", Kind::Timeout, "exchanges are compared in blocks of this length"),
    key("min_blocks", count(1_000_000), "blocks needed for a verdict"),
    key("p95_ratio", Kind::AtLeast(1.0), "the same for the 95th percentile"),
    key("p99_ratio", Kind::AtLeast(1.0), "the same for the 99th percentile"),
    key("quantiles", Kind::Choice(&["report", "gate"]), "whether p95 and p99 are only shown, or decide"),
];

const GATE: &[Key] = &[
    key("criteria", Kind::Choices(CRITERIA), "which decide; the others are still shown"),
    key("alpha_pass", Kind::Fraction, "tolerated probability of ever passing a candidate that is too different"),
    key("alpha_fail", Kind::Fraction, "tolerated probability of ever failing one that is not"),
    key("tolerance", Kind::Fraction, "share of a route's exchanges that may diverge, in excess of the control's own"),
    key("critical_tolerance", Kind::Fraction, "the same for routes marked critical = true"),
    key("tail_tolerance", Kind::Fraction, "the same for the rare routes, pooled"),
    key("errors", Kind::Fraction, "tolerated excess of answers that fail (5xx, transport)"),
    key("noise_cap", Kind::Share, "a control that differs more often makes the route too noisy to judge"),
    key("latency", Kind::Table(LATENCY), "how much slower the candidate may be"),
    key("coverage", Kind::Share, "share of all requests that must be on routes that pass"),
    key(
        "unseen",
        Kind::Fraction,
        "bound on the probability that the next exchange shows a divergence never seen before",
    ),
    key("max_unjudged", Kind::Share, "share of mirrored exchanges that may be shed, lost or incomparable"),
    key("min_comparisons", Kind::Count { min: 0, max: 1 << 40 }, "per route before it may fail"),
    key("min_duration", Kind::Duration, "evidence must span this long"),
    key("max_duration", Kind::Timeout, "past it, or when it cannot be reached by then: inconclusive, futile"),
    key("warm_up", Kind::Duration, "after a new epoch: not counted for latency"),
    key("warm_up_pairs", Kind::Count { min: 0, max: 1 << 40 }, "first exchanges of a route: not counted for latency"),
    key("design_effect", Kind::AtLeast(1.0), "counts are divided by it, where divergences come in bursts"),
];

const ROLLOUT: &[Key] = &[key("phases", Kind::Phases, "not built yet: must be empty")];

const TELEMETRY: &[Key] = &[
    key("log", Kind::Table(LOG), "logs go to standard error"),
    key("otlp", Kind::Table(OTLP), "traces; not built yet"),
];

const LOG: &[Key] = &[
    key("format", Kind::Choice(&["text", "json"]), "one line for people, or one JSON object, per event"),
    key("level", Kind::Filter, "error, warn, info, debug, trace, or a filter such as info,parallax=debug"),
];

const OTLP: &[Key] = &[key("endpoint", Kind::Text, "not built yet")];

// === impl Section ===

impl Section {
    pub(super) fn named(name: &str) -> Option<&'static Section> {
        SECTIONS.iter().find(|s| s.name == name)
    }

    /// Its keys, each once: `methods` of a route is also one of [mirror].
    pub(super) fn keys(&self) -> Vec<&'static Key> {
        let mut keys: Vec<&'static Key> = Vec::new();
        for key in self.keys.iter().copied().flatten() {
            if !keys.iter().any(|k| k.name == key.name) {
                keys.push(key);
            }
        }
        keys
    }

    /// `[mirror]` or `[[route]]`.
    pub(super) fn header(&self) -> String {
        if self.repeated { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }
}

// === impl Kind ===

impl Kind {
    /// Completes "`key` must be".
    pub(super) fn expects(&self) -> String {
        match self {
            Kind::Text => "a string".into(),
            Kind::Name => "a name without spaces".into(),
            Kind::Host => "a host name".into(),
            Kind::Pattern => "a regular expression".into(),
            Kind::Filter => "a log level or filter".into(),
            Kind::Url => "a URL such as \"http://localhost:9001\"".into(),
            Kind::Address => "an address and port such as \"127.0.0.1:8080\"".into(),
            Kind::File => "the path of a file to use".into(),
            Kind::Files => "a list of paths of files to use".into(),
            Kind::Folder => "the path of a folder".into(),
            Kind::Duration => "a duration".into(),
            Kind::Timeout => "a duration longer than zero".into(),
            Kind::Size { min: 0, max } => format!("a size of at most {}", bytes(*max)),
            Kind::Size { min, max } => format!("a size between {} and {}", bytes(*min), bytes(*max)),
            Kind::Share => "a share between 0 and 1, or a percentage".into(),
            Kind::Fraction => "a share above 0 and below 1, or a percentage".into(),
            Kind::Count { min, max } => format!("a whole number between {min} and {max}"),
            Kind::AtLeast(min) => format!("a number of at least {min}"),
            Kind::Bool => "true or false".into(),
            Kind::Choice(of) => list(of, "or"),
            Kind::Choices(of) => format!("a list of {}", list(of, "and")),
            Kind::Header => "a header name".into(),
            Kind::Patterns => "a list of regular expressions".into(),
            Kind::Locations => "a list of locations such as \"json:$.user.email\"".into(),
            Kind::Headers => "a list of header names".into(),
            Kind::Methods => "a list of HTTP methods such as [\"GET\", \"POST\"]".into(),
            Kind::HeaderMap => "a table of header names and values".into(),
            Kind::SampleBy => "\"request\", \"client-ip\", \"header:NAME\" or \"cookie:NAME\"".into(),
            Kind::Operation => "\"header:NAME\", \"query:NAME\" or \"json:$.path\"".into(),
            Kind::Template => "a path template such as \"/orders/{id}\"".into(),
            Kind::Date => "a date such as \"2027-03-01\"".into(),
            Kind::Table(keys) => {
                let names: Vec<&str> = keys.iter().map(|k| k.name).collect();
                format!("a table of {}", names.join(", "))
            }
            Kind::Ignore => format!("true, {}", list(IGNORE, "or")),
            Kind::Align => format!("{}, or {{ key = [\"member\"] }}", list(ALIGN, "or")),
            Kind::Shape => "the name of a class such as \"uuid\", or { regex = \"...\" }".into(),
            Kind::Same => "a list of groups of values, such as [[400, 422], [\"null\", \"missing\"]]".into(),
            Kind::Phases => "an empty list".into(),
        }
    }

    /// What to write instead, when nothing more is known.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Kind::Duration | Kind::Timeout => "write \"500ms\", \"30s\", \"10m\", \"2h\" or \"14d\"",
            Kind::Size { .. } => "write bytes, \"64KiB\", \"1MiB\" or \"2GiB\"",
            _ => "",
        }
    }
}

/// `"a", "b" or "c"`.
fn list(of: &[&str], last: &str) -> String {
    let quoted: Vec<String> = of.iter().map(|s| format!("\"{s}\"")).collect();
    match quoted.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        Some((end, _)) => end.clone(),
        None => String::new(),
    }
}

/// A size in the largest unit that divides it.
pub(super) fn bytes(n: u64) -> String {
    for (unit, name) in [(1u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if n >= unit && n.is_multiple_of(unit) {
            return format!("{}{name}", n / unit);
        }
    }
    n.to_string()
}
