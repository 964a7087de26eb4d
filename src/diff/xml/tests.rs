//! Pairs of documents and what is found in them; what must hold for any pair.

mod laws;

use super::super::tests::Asked;
use super::super::{
    Align, Cover, Finding, Findings, Ignore, Mask, RouteRules, RuleSet, RuleSpec, Shape, Tier, Tolerance, summary,
};
use super::*;
use std::time::Duration;

const DAV: &str = r#"<D:multistatus xmlns:D="DAV:">
  <D:response><D:href>/a</D:href><D:propstat><D:prop><D:getetag>"1"</D:getetag></D:prop></D:propstat></D:response>
  <D:response><D:href>/b</D:href><D:propstat><D:prop><D:getetag>"2"</D:getetag></D:prop></D:propstat></D:response>
</D:multistatus>"#;

fn never() -> bool {
    false
}

fn run(a: &[u8], b: &[u8], rules: &RouteRules) -> Findings {
    let asked = Asked::new("GET", "/a/b").origins("http://old:8001", "http://new:8002");
    let context = Context { rules, ..asked.context(&never) };
    let mut out = Findings::default();
    compare(&context, false, (a, b), &mut out);
    out
}

/// `element /a/b text>missing`, the classes once where both are the same, `[rule]` where covered.
fn show(f: &Finding) -> String {
    let classes = if f.primary_class == f.candidate_class {
        f.primary_class.to_string()
    } else {
        format!("{}>{}", f.primary_class, f.candidate_class)
    };
    let cover = f.cover.iter().map(|Cover::Rule(id)| format!(" [{id}]")).collect::<String>();
    let kind = f.kind.strip_prefix("xml.").unwrap_or(&f.kind);
    format!("{kind} {} {classes}{cover}", f.location.strip_prefix("xml:").unwrap_or(&f.location))
}

fn compiled(rules: &[RuleSpec]) -> std::sync::Arc<RouteRules> {
    RuleSet::compile(rules).unwrap().for_route("GET /a/b", "2026-01-01")
}

#[track_caller]
fn check_ruled(a: &str, b: &str, rules: &[RuleSpec], expect: &[&str]) -> Findings {
    let found = run(a.as_bytes(), b.as_bytes(), &compiled(rules));
    assert_eq!(found.list.iter().map(show).collect::<Vec<_>>(), expect, "{a} | {b}");
    assert_eq!((found.dropped, &found.budget), (0, &None), "{a} | {b}");
    for finding in &found.list {
        assert!(!summary(finding).is_empty());
        let structural = ["xml.element", "xml.attr", "xml.text", "xml.order"].contains(&&*finding.kind);
        assert_eq!(finding.tier.counts(), structural, "{finding:?}");
    }
    found
}

#[track_caller]
fn check(a: &str, b: &str, expect: &[&str]) -> Findings {
    check_ruled(a, b, &[], expect)
}

fn rule(id: &str, at: &str) -> RuleSpec {
    RuleSpec { id: id.into(), on: "*".into(), at: at.into(), ..RuleSpec::default() }
}

fn ignoring(at: &str, ignore: Ignore) -> RuleSpec {
    RuleSpec { ignore: Some(ignore), ..rule("r", at) }
}

#[test]
fn elements() {
    check("<a><b/></a>", "<a><b/></a>", &[]);
    check("<a><b/><c/></a>", "<a><b/></a>", &["element /a/c element>missing"]);
    check("<a><b/></a>", "<a><b/><c><d>1</d></c></a>", &["element /a/c missing>element"]);
    check("<a/>", "<a><b/></a>", &["element /a/b missing>element"]);
    check("<a><b/><b/></a>", "<a><b/></a>", &["element /a/b element>missing"]);
    check("<a><b>1</b><b>2</b><b>3</b></a>", "<a><b>1</b><b>3</b></a>", &["element /a/b element>missing"]);
    check("<a/>", "<b/>", &["element /a element>missing", "element /b missing>element"]);
    check("<a>x</a>", "<a>x<b/></a>", &["element /a/b missing>element"]);
}

#[test]
fn text_and_attributes() {
    check("<a><b>Paris</b></a>", "<a><b>PARIS</b></a>", &["text /a/b string:case"]);
    check("<a><b>1.50</b></a>", "<a><b>1.5</b></a>", &["text /a/b string:numeric"]);
    check("<a>x</a>", "<a/>", &["text /a string:other"]);
    check("<a>x</a>", "<a> x</a>", &["text /a string:space"]);
    check("<a> </a>", "<a></a>", &["text /a string:space"]);
    check("<a>x</a>", "<a><b/></a>", &["text /a text>missing", "element /a/b missing>element"]);
    check("<a i='1'/>", "<a i='2'/>", &["attr /a/@i string:numeric"]);
    check("<a i='1'/>", "<a/>", &["attr /a/@i string>missing"]);
    check("<a/>", "<a i=''/>", &["attr /a/@i missing>empty"]);
    check(
        "<a><b i='1' j='x'/></a>",
        "<a><b i='1' j='y'>z</b></a>",
        &["attr /a/b/@j string:other", "text /a/b string:other"],
    );
    check(
        r#"<a xmlns:x="http://www.w3.org/1999/xlink" x:href="1" xml:lang="de" xmlns:y="urn:y" y:z="1"/>"#,
        r#"<a xmlns:x="http://www.w3.org/1999/xlink" x:href="2" xml:lang="en" xmlns:y="urn:y" y:z="2"/>"#,
        &["attr /a/@xlink:href string:numeric", "attr /a/@xml:lang string:other", "attr /a/@{urn:y}z string:numeric"],
    );
}

#[test]
fn order() {
    check("<a><b/><c/></a>", "<a><c/><b/></a>", &["order /a elements"]);
    check("<a><b/><c/><d/><e/></a>", "<a><e/><d/><c/><b/></a>", &["order /a elements"]);
    check("<a><b/><c/><b/></a>", "<a><b/><b/><c/></a>", &["order /a elements"]);
    check("<a><b>1</b><b>2</b></a>", "<a><b>2</b><b>1</b></a>", &["order /a/b elements"]);
    check("<a><b/><c/><x/></a>", "<a><c/><b/></a>", &["order /a elements", "element /a/x element>missing"]);
    check("<a><b/><x/><c/></a>", "<a><b/><c/></a>", &["element /a/x element>missing"]);
    check("<a>1<b/>2</a>", "<a>1<b/>2</a> ", &["whitespace / document"]);
    check("<a>1<b/>2</a>", "<a><b/>12</a>", &["text /a text>missing", "text /a text>missing", "text /a missing>text"]);
    check("<a>1<b/>2</a>", "<a>2<b/>1</a>", &["order /a elements"]);
    check("<a>1<b/>2<c/></a>", "<a>1<c/>2<b/></a>", &["order /a elements"]);
}

#[test]
fn other_writing_same_document() {
    let default = DAV.replace("<D:", "<").replace("</D:", "</").replace("xmlns:D", "xmlns");
    check(DAV, &default, &["ns_prefix / prefix"]);
    check(
        DAV,
        &DAV.replace("D:response", "d:response").replace("xmlns:D", "xmlns:d=\"DAV:\" xmlns:D"),
        &["ns_prefix / prefix"],
    );
    check(DAV, &DAV.replace("\n  ", "\n"), &["whitespace / document"]);
    check("<a><b>\n</b></a>", "<a><b></b></a>", &["whitespace / document"]);
    let mixed = "<i>Who <em>buys</em> WonderWidgets</i>";
    for other in ["<i>Who <em>buys</em> WonderWidgets\n  </i>", "<i>\n  Who\n  <em>buys</em>\n\tWonderWidgets</i>"] {
        check(mixed, other, &["whitespace / document"]);
    }
    check(mixed, &mixed.replace("Who ", "Who"), &["text /i string:space"]);
    check(mixed, &mixed.replace("ts<", "ts <"), &["text /i string:space"]);
    check("<a xml:space='preserve'>x<b/>y\n</a>", "<a xml:space='preserve'>x<b/>y</a>", &["text /a string:space"]);
    check("<a>x\n</a>", "<a>x</a>", &["text /a string:space"]);
    check("<a >x</a\n>", "<a>x</a>", &["whitespace / document"]);
    check("<a>x\r\ny</a>", "<a>x\ny</a>", &["whitespace / document"]);
    check("<a i='1' j='2'/>", "<a j='2' i='1'/>", &["attr_order / attributes"]);
    check("<a i='1'/>", "<a i=\"1\"/>", &["syntax / document"]);
    check("<a/>", "<a></a>", &["empty_tag / element"]);
    check("<a>&lt;é</a>", "<a><![CDATA[<]]>&#xe9;</a>", &["escape / text"]);
    check("<a i='&#38;'/>", "<a i='&amp;'/>", &["escape / text"]);
    check("<a><!-- x -->y</a>", "<a>y</a>", &["comment / comment"]);
    check("<a/>", "<?pi x?><a/>", &["comment / comment"]);
    check("<?xml version='1.0'?><a/>", "<a/>", &["declaration / declaration"]);
    check("<!DOCTYPE a><a/>", "<a/>", &["declaration / declaration"]);
    check("\u{feff}<a/>", "<a/>", &["declaration / UTF-8"]);
    // A space between two elements parts words where there are words, and where elements stand in lines.
    check("<a>x <b/> <c/></a>", "<a>x <b/><c/></a>", &["text /a text>missing"]);
    check("<a>x <b/>\n  <c/></a>", "<a>x <b/> <c/> </a>", &["whitespace / document"]);
    check("<a><b/> <c/></a>", "<a><b/><c/></a>", &["whitespace / document"]);
    let xhtml = |space: &str| format!("<p xmlns='http://www.w3.org/1999/xhtml'> <b>x</b>{space}<i>y</i></p>");
    check(&xhtml(" "), &xhtml(""), &["text /p text>missing"]);
    check(&xhtml("\n  "), &xhtml(""), &["whitespace / document"]);
    // But not beside what stands on lines of its own.
    for spaced in [
        "<ul xmlns='http://www.w3.org/1999/xhtml'><li>a</li> <li>b</li></ul>",
        "<select xmlns='http://www.w3.org/1999/xhtml'><option>a</option> <option>b</option></select>",
        "<head xmlns='http://www.w3.org/1999/xhtml'><title>a</title> <meta/> <link/></head>",
        "<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>a</p> <p>b</p> <i>c</i></div></content>",
        "<div xmlns='http://www.w3.org/1999/xhtml'>x<b>y</b> <p>a</p> <p>b</p>z</div>",
    ] {
        check(spaced, &spaced.replace("> <", "><"), &["whitespace / document"]);
    }
    check("<a xml:space='preserve'> <b/></a>", "<a xml:space='preserve'><b/></a>", &["text /a text>missing"]);
    // What differs in meaning does not hide other prefixes.
    check("<D:a xmlns:D='DAV:'>1</D:a>", "<a xmlns='DAV:'>2</a>", &["text /a string:numeric", "ns_prefix / prefix"]);
}

#[test]
fn encodings() {
    let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>";
    let utf8 = "<?xml version='1.0' encoding='UTF-8'?><a>é</a>";
    let wide: Vec<u8> = "\u{feff}<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let none = RouteRules::none();
    let told = |a: &[u8], b: &[u8]| run(a, b, &none).list.iter().map(show).collect::<Vec<_>>();
    assert_eq!(told(latin, utf8.as_bytes()), ["declaration / windows-1252>UTF-8"]);
    assert_eq!(told(&wide, "<a>é</a>".as_bytes()), ["declaration / UTF-16LE>UTF-8"]);
    assert_eq!(told(&wide, "<a>e</a>".as_bytes()), ["text /a string:other", "declaration / UTF-16LE>UTF-8"]);
}

#[test]
fn namespaces() {
    let soap = |uri: &str| format!("<s:Envelope xmlns:s='{uri}'><s:Body><p xmlns='urn:p'>1</p></s:Body></s:Envelope>");
    let found = check(&soap("urn:11"), &soap("urn:12"), &["element /Envelope namespace"]);
    let shown = |side: &Option<String>| side.clone().unwrap();
    assert!(shown(&found.list[0].primary).starts_with("<Envelope xmlns=\"urn:11\">"), "{found:?}");
    assert!(shown(&found.list[0].candidate).starts_with("<Envelope xmlns=\"urn:12\">"), "{found:?}");
    let rss =
        |own: &str, atom: &str| format!("<rss xmlns:x='urn:atom'><link>{own}</link><x:link>{atom}</x:link></rss>");
    check(&rss("1", "2"), &rss("3", "2"), &["text /rss/link string:numeric"]);
    check(&rss("1", "2"), &rss("1", "3"), &["text /rss/{urn:atom}link string:numeric"]);
    // A type is a name, and a name is what its prefix stands for.
    let typed = |p: &str| {
        format!("<a xmlns:i='http://www.w3.org/2001/XMLSchema-instance' xmlns:{p}='urn:xs' i:type='{p}:int'>1</a>")
    };
    check(&typed("xs"), &typed("xsd"), &["ns_prefix / prefix"]);
}

#[test]
fn webdav_in_any_order() {
    let (head, rest) = DAV.split_once("\n  ").unwrap();
    let (first, rest) = rest.split_once("\n  ").unwrap();
    let (second, tail) = rest.split_once('\n').unwrap();
    let shuffled = format!("{head}{second}{first}{tail}").replace("D:", "x:").replace(":D=", ":x=");
    let by_href = RuleSpec { align: Some(Align::Key(vec!["href".into()])), ..rule("r", "xml:/multistatus/response") };
    check(DAV, &shuffled, &["order /multistatus/response elements", "ns_prefix / prefix"]);
    let order = ignoring("xml:/multistatus/response", Ignore::Order);
    check_ruled(DAV, &shuffled, &[order], &["order /multistatus/response elements [r]", "ns_prefix / prefix"]);
    let changed = shuffled.replace("\"2\"", "\"3\"");
    let etag = "text /multistatus/response/propstat/prop/getetag string:other";
    check_ruled(
        DAV,
        &changed,
        &[by_href, RuleSpec { id: "s".into(), ..ignoring("xml:/multistatus/response", Ignore::Order) }],
        &["order /multistatus/response elements [s]", etag, "ns_prefix / prefix"],
    );
}

#[test]
fn rules() {
    let (a, b) = ("<a><b i='1'>1.0</b><c/></a>", "<a><b i='2'>1.1</b><d/></a>");
    let all = ["element /a/c element>missing", "attr /a/b/@i string:numeric"];
    let _ = all;
    for (at, what, expect) in [
        ("xml:/a", Ignore::All, vec!["element /a element [r]"]),
        ("xml:/", Ignore::All, vec!["element / element [r]"]),
        (
            "xml:/a/b",
            Ignore::Value,
            vec!["element /a/b element [r]", "element /a/c element>missing", "element /a/d missing>element"],
        ),
        (
            "xml:/a/c",
            Ignore::Missing,
            vec![
                "attr /a/b/@i string:numeric",
                "text /a/b string:numeric",
                "element /a/c element>missing [r]",
                "element /a/d missing>element",
            ],
        ),
        (
            "xml:/a/*",
            Ignore::All,
            vec!["element /a/b element [r]", "element /a/c element>missing [r]", "element /a/d missing>element [r]"],
        ),
        (
            "xml:/a/*[1]",
            Ignore::All,
            vec!["element /a/b element [r]", "element /a/c element>missing", "element /a/d missing>element"],
        ),
        (
            "xml://@i",
            Ignore::All,
            vec![
                "attr /a/b/@i string:numeric [r]",
                "text /a/b string:numeric",
                "element /a/c element>missing",
                "element /a/d missing>element",
            ],
        ),
        (
            "xml:/a/b/@i",
            Ignore::Value,
            vec![
                "attr /a/b/@i string:numeric [r]",
                "text /a/b string:numeric",
                "element /a/c element>missing",
                "element /a/d missing>element",
            ],
        ),
        (
            "xml://d",
            Ignore::Extra,
            vec![
                "attr /a/b/@i string:numeric",
                "text /a/b string:numeric",
                "element /a/c element>missing",
                "element /a/d missing>element [r]",
            ],
        ),
    ] {
        check_ruled(a, b, &[ignoring(at, what)], &expect);
    }
    let near = Tolerance { relative: Some(0.2), ..Tolerance::default() };
    let two = |a: &str, b: &str| (format!("<a><b>{a}</b></a>"), format!("<a><b>{b}</b></a>"));
    let masked = Some(Mask { pattern: "[0-9]+".into(), with: "0".into() });
    let time = Tolerance { time: Some(Duration::from_secs(2)), ..Tolerance::default() };
    for (rule, (a, b), class) in [
        (
            RuleSpec { tolerance: Some(near), numeric_string: true, ..rule("r", "xml:/a/b") },
            two("1.0", "1.1"),
            "numeric",
        ),
        (RuleSpec { tolerance: Some(near), ..rule("r", "xml:/a/b") }, two("1.0", "1.1"), "numeric"),
        (RuleSpec { numeric_string: true, ..rule("r", "xml://b/text()") }, two("1.50", "1.5"), "numeric"),
        (RuleSpec { mask: masked, ..rule("r", "xml:/a/b[*]") }, two("x1", "x2"), "other"),
        (
            RuleSpec { tolerance: Some(time), ..rule("r", "xml:/a/b") },
            two("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
            "datetime",
        ),
        (RuleSpec { same: vec![vec!["a".into(), "b".into()]], ..rule("r", "xml:/a/b") }, two("a", "b"), "other"),
        (RuleSpec { same: vec![vec!["a".into(), "empty".into()]], ..rule("r", "xml:/a/b") }, two("a", ""), "other"),
        (RuleSpec { shape: Some(Shape::Class("int".into())), ..rule("r", "xml:/a/b") }, two("1", "2"), "numeric"),
        (RuleSpec { bijection: Some("g".into()), ..rule("r", "xml:/a/b") }, two("x", "y"), "other"),
    ] {
        check_ruled(&a, &b, &[rule], &[&format!("text /a/b string:{class} [r]")]);
    }
    let attribute = RuleSpec { tolerance: Some(near), ..rule("r", "xml:/a/@b") };
    check_ruled("<a b='1.0'/>", "<a b='1.1'/>", std::slice::from_ref(&attribute), &["attr /a/@b string:numeric [r]"]);
    check_ruled("<a b='1.0'/>", "<a b='1.5'/>", &[attribute], &["attr /a/@b string:numeric"]);
    let bijection = RuleSpec { bijection: Some("g".into()), ..rule("r", "xml:/a/b") };
    let broken = ("<a><b>1</b><b>1</b></a>", "<a><b>x</b><b>y</b></a>");
    check_ruled(broken.0, broken.1, &[bijection], &["text /a/b string:other [r]", "text /a/b string:other"]);
    let set = RuleSpec { align: Some(Align::Set), ..rule("r", "xml:/a/b") };
    check_ruled("<a><b>1</b><b>2</b></a>", "<a><b>2</b><b>1</b></a>", &[set], &["order /a/b elements [r]"]);
    check_ruled("<a><b/><c/></a>", "<a><c/><b/></a>", &[ignoring("xml:/a", Ignore::Order)], &["order /a elements [r]"]);
    let positions = ("<a><b>1</b><b>2</b></a>", "<a><b>3</b><b>4</b></a>");
    let second = ignoring("xml:/a/b[2]", Ignore::All);
    let found =
        check_ruled(positions.0, positions.1, &[second], &["text /a/b string:numeric", "element /a/b element [r]"]);
    assert_eq!(found.list.iter().map(|f| &*f.exact).collect::<Vec<_>>(), ["xml:/a/b[1]", "xml:/a/b[2]"]);
}

#[test]
fn rules_that_are_refused() {
    let by = |members: &[&str]| Some(Align::Key(members.iter().map(|m| (*m).to_owned()).collect()));
    for (spec, key, part) in [
        (ignoring("xml:a/b", Ignore::All), "at", "does not start with `/`"),
        (ignoring("xml:/D:a", Ignore::All), "at", "write `a`, or `{namespace}a`"),
        (ignoring("xml:/a/b[0]", Ignore::All), "at", "count from 1"),
        (ignoring("xml:/a/b[@id='1']", Ignore::All), "at", "neither `[*]` nor a position"),
        (ignoring("xml:/a/@i/b", Ignore::All), "at", "nothing can follow"),
        (ignoring("xml:/a/@*", Ignore::All), "at", "name the attribute"),
        (ignoring("xml:/a/", Ignore::All), "at", "is no name"),
        (ignoring("xml:/a/..", Ignore::All), "at", "is no name"),
        (ignoring("xml:/{urn:a", Ignore::All), "at", "lacks the `}`"),
        (ignoring("xml:/a/@i", Ignore::Order), "ignore", "means nothing anyway"),
        (ignoring("xml:/a/b[2]", Ignore::Order), "ignore", "leave out the position"),
        (RuleSpec { align: Some(Align::Set), ..rule("r", "xml:/a/@i") }, "align", "no list"),
        (RuleSpec { align: Some(Align::Auto), ..rule("r", "xml:/a") }, "align", "JSON only"),
        (RuleSpec { align: by(&["b/c"]), ..rule("r", "xml:/a") }, "align", "neither a child's name"),
        (RuleSpec { numeric_string: true, ..rule("r", "xml:/") }, "at", "whole document"),
        (
            RuleSpec { same: vec![vec!["missing".into(), "x".into()]], ..rule("r", "xml:/a") },
            "same",
            "ignore = \"missing\"",
        ),
        (RuleSpec { numeric_string: true, ..ignoring("xml:/a", Ignore::All) }, "ignore", "leaves nothing"),
    ] {
        let errors = RuleSet::compile(std::slice::from_ref(&spec)).expect_err(&spec.at);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].key, key, "{errors:?}");
        assert!(errors[0].message.contains(part), "{errors:?}");
    }
}

#[test]
fn self_links_are_quiet() {
    let feed =
        |origin: &str| format!("<feed><link href=\"{origin}/a?b\"/><id>{origin}</id><p>see {origin}/x.</p></feed>");
    check(&feed("http://old:8001"), &feed("http://new:8002"), &[]);
    check(
        &feed("http://old:8001"),
        &feed("http://new:80021"),
        &["text /feed/id string:other", "attr /feed/link/@href string:other", "text /feed/p string:other"],
    );
}

#[test]
fn what_is_not_xml() {
    let told = |a: &str, b: &str| {
        let found = run(a.as_bytes(), b.as_bytes(), &RouteRules::none());
        found
            .list
            .iter()
            .map(|f| format!("{}{}", f.kind, if f.secondary { " secondary" } else { "" }))
            .collect::<Vec<_>>()
    };
    for bad in [
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "",
        " ",
        "<a i='1' i='2'/>",
        "<a i=1/>",
        "<a>&x;</a>",
        "<a>&</a>",
        "<a>\u{1}</a>",
        "<a>&#0;</a>",
        "<a i='<'/>",
        "<1/>",
        "<a:b:c/>",
        "</a>",
        "<a",
        "<!DOCTYPE a",
    ] {
        assert_eq!(told("<a/>", bad), ["parse.one_side", "text.hunk secondary"], "{bad}");
        assert_eq!(told(bad, "<a/>"), ["parse.one_side", "text.hunk secondary"], "{bad}");
    }
    assert_eq!(told("<a>", "<b>"), ["parse.both", "text.hunk"]);
}

#[test]
fn limits() {
    let limit = |a: &str, b: &str| run(a.as_bytes(), b.as_bytes(), &RouteRules::none());
    let deep = |n: usize, leaf: &str| format!("{}{leaf}{}", "<a>".repeat(n), "</a>".repeat(n));
    let found = limit(&deep(MAX_DEPTH, "1"), &deep(MAX_DEPTH, "2"));
    assert_eq!((found.list.len(), found.budget), (1, None));
    for (a, b) in [(deep(100_000, "1"), deep(100_000, "2")), (deep(1, "1"), deep(MAX_DEPTH + 1, "2"))] {
        assert_eq!(limit(&a, &b).budget.as_deref(), Some("the limit on depth was reached"));
    }
    let laughs = |what: &str| {
        let entities: String = (1..30).map(|i| format!("<!ENTITY l{i} '&l{};&l{};'>", i - 1, i - 1)).collect();
        format!("<!DOCTYPE a [<!ENTITY l0 'ha'>{entities}]><a><b>&l29;</b><c>{what}</c></a>")
    };
    check(&laughs("1"), &laughs("2"), &["text /a/c string:numeric"]);
    let found = limit(&laughs("1"), &laughs("1").replace("'ha'", "'ho'"));
    assert_eq!(
        found.list.iter().map(show).collect::<Vec<_>>(),
        ["declaration / string:other", "declaration / declaration"]
    );
    let asked = Asked::new("GET", "/");
    let late = || true;
    let mut out = Findings::default();
    let many = "<b/>".repeat(5000);
    let (a, b) = (format!("<a>{many}</a>"), format!("<a>{many}x</a>"));
    compare(&asked.context(&late), false, (a.as_bytes(), b.as_bytes()), &mut out);
    assert_eq!(out.budget.as_deref(), Some("the limit on time was reached"));
    let many: String = (0..110_000).map(|i| format!("<b{i}/>")).collect();
    let wide = |leaf: &str| format!("<a xmlns='urn:{}'>{many}{leaf}</a>", "x".repeat(120));
    assert_eq!(limit(&wide("1"), &wide("2")).budget.as_deref(), Some("the limit on size was reached"));
    // A namespace that is written once is not written again and again.
    let long = |leaf: &str| format!("<a xmlns='urn:{}'><b>{leaf}</b></a>", "x".repeat(100_000));
    check(&long("1"), &long("2"), &["text /a/b string:numeric"]);
}

#[test]
fn vocabularies() {
    let feed = |updated: &str, entries: &str| {
        format!(
            "<feed xmlns='http://www.w3.org/2005/Atom'><title>t</title><updated>{updated}</updated>{entries}</feed>"
        )
    };
    let entry = |id: &str| format!("<entry><id>urn:{id}</id><link rel='self' href='/{id}'/></entry>");
    check_ruled(
        &feed("2026-01-01T00:00:00Z", &(entry("1") + &entry("2") + &entry("3"))),
        &feed("2026-01-01T00:00:09Z", &(entry("1") + &entry("3"))),
        &[RuleSpec { shape: Some(Shape::Class("rfc3339".into())), ..rule("r", "xml:/feed/updated") }],
        &["element /feed/entry element>missing", "text /feed/updated string:datetime [r]"],
    );
    let svg = |d: &str| format!("<svg xmlns='http://www.w3.org/2000/svg'><g><path d='{d}'/><path d='M1 1'/></g></svg>");
    let found = check(&svg("M0 0"), &svg("M0 1"), &["attr /svg/g/path/@d string:other"]);
    assert_eq!(&*found.list[0].exact, "xml:/svg/g/path[1]/@d");
    let fault = |code: &str| {
        format!(
            "<s:Envelope xmlns:s='urn:soap'><s:Body><s:Fault><faultcode>{code}</faultcode></s:Fault></s:Body></s:Envelope>"
        )
    };
    check(&fault("s:Client"), &fault("s:Server"), &["text /Envelope/Body/Fault/faultcode string:other"]);
    let flag = RuleSpec { same: vec![vec!["missing".into(), "false".into()]], ..rule("r", "xml:/a/@nil") };
    check_ruled("<a nil='false'/>", "<a/>", &[flag], &["attr /a/@nil string>missing [r]"]);
    // Not formatted, prose keeps the order of its chunks.
    check("<p>a <b>b</b> c</p>", "<p>a <b>b</b> d</p>", &["text /p string:other"]);
}

#[test]
fn what_is_shown() {
    let found = check("<a><b i='1'>x<c/>y</b></a>", "<a/>", &["element /a/b element>missing"]);
    assert_eq!(found.list[0].primary.as_deref(), Some("<b i=\"1\">xy<c/></b>"));
    let found = check("<a>1 &lt; \"2\"</a>", "<a>é\\</a>", &["text /a string:other"]);
    let both = (found.list[0].primary.as_deref(), found.list[0].candidate.as_deref());
    assert_eq!(both, (Some("1 < \"2\""), Some("é\\")));
    let found = check("<a><b/><c/></a>", "<a><c/><b/></a>", &["order /a elements"]);
    assert_eq!(found.list[0].primary.as_deref(), Some("b c"));
    let long = "x".repeat(500);
    let found = check(&format!("<a><b><c>{long}</c></b></a>"), "<a/>", &["element /a/b element>missing"]);
    let shown = found.list[0].primary.clone().unwrap();
    assert!(shown.starts_with("<b><c>xxx") && shown.ends_with("x…"), "{shown}");
}
