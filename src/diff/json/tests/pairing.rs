//! Rules on what elements hold do not keep them from being paired.

use super::*;

#[test]
fn values_that_a_rule_takes_for_the_same() {
    check(
        r#"["h-1/a","h-1/b"]"#,
        r#"["new","h-2/a","h-2/b"]"#,
        &[("$[*]", "mask=h-[0-9]+")],
        &["item_extra $[*] missing>string", "value $[*] string:other [r0]", "value $[*] string:other [r0]"],
    );
    check(
        r#"["h-1/a","h-1/b"]"#,
        r#"["h-2/b","h-2/a"]"#,
        &[("$", "set"), ("$[*]", "mask=h-[0-9]+")],
        &["order $ array [r0]", "value $[*] string:other [r1]", "value $[*] string:other [r1]"],
    );
    check(
        r#"[{"s":"yes"},{"s":"no"}]"#,
        r#"[{"s":"off"},{"s":true},{"s":false}]"#,
        &[("$[*].s", "same=yes,true"), ("$[*].s", "same=yes,true,on")],
        &["item_extra $[*] missing>object", "type $[*].s string>bool [r1]", "type $[*].s string>bool"],
    );
    check(
        r#"["1.50","2.0"]"#,
        r#"["7","1.5","2"]"#,
        &[("$[*]", "numeric")],
        &["item_extra $[*] missing>string", "value $[*] string:numeric [r0]", "value $[*] string:numeric [r0]"],
    );
    // What a rule says nothing of stays apart.
    check(
        r#"["h-1/a"]"#,
        r#"["h-2/b","h-3/c"]"#,
        &[("$[*]", "mask=h-[0-9]+")],
        &["item_missing $[*] string>missing", "item_extra $[*] missing>string", "item_extra $[*] missing>string"],
    );
}

#[test]
fn values_within_a_tolerance() {
    let near = &[("$[*]", "absolute=0.01")];
    check(
        "[1.0,2.0,3.0]",
        "[0.5,1.001,2.001,3.001]",
        near,
        &[
            "value $[*] number:large [r0]",
            "value $[*] number:large [r0]",
            "value $[*] number:large [r0]",
            "item_extra $[*] missing>number",
        ],
    );
    // One that is far from all has no partner.
    check(
        "[1.0]",
        "[5,6]",
        near,
        &["item_missing $[*] number>missing", "item_extra $[*] missing>number", "item_extra $[*] missing>number"],
    );
    check(
        r#"[{"x":1.0},{"x":2.0}]"#,
        r#"[{"x":2.001},{"x":1.001}]"#,
        &[("$", "set"), ("$[*].x", "absolute=0.01")],
        &["order $ array [r0]", "value $[*].x number:large [r1]", "value $[*].x number:large [r1]"],
    );
    check(
        r#"[{"x":[1.0,2.0]}]"#,
        r#"[{"x":[9.0,2.0]},{"x":[1.001,2.001]}]"#,
        &[("$[*].x[*]", "absolute=0.01")],
        &["value $[*].x[*] number:large [r0]", "value $[*].x[*] number:large [r0]", "item_extra $[*] missing>object"],
    );
    check(
        r#"[{"a":1,"x":1.0}]"#,
        r#"[{"a":2,"x":1.001},{"a":3,"x":1.0,"b":1}]"#,
        &[("$[*].x", "absolute=0.01")],
        &["item_missing $[*] object>missing", "item_extra $[*] missing>object", "item_extra $[*] missing>object"],
    );
}

#[test]
fn what_is_near_is_paired_once() {
    check(
        "[1.0,1.0]",
        "[1.001]",
        &[("$", "multiset"), ("$[*]", "absolute=0.01")],
        &["value $[*] number:large [r1]", "item_missing $[*] number>missing"],
    );
}
