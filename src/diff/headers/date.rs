//! Dates as HTTP writes them.

use jiff::fmt::rfc2822::DateTimeParser;

/// Seconds since 1970 of an IMF-fixdate, also with a numeric zone or with dashes as cookies have it, and of the two obsolete
/// forms (RFC 9110 5.6.7).
pub(in crate::diff) fn parse(text: &str) -> Option<i64> {
    static PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    let text = text.trim();
    // A date has a weekday or a day of two digits first and a colon later: most values are turned away here.
    if text.len() < 20 || !text.contains(':') {
        return None;
    }
    let seconds = |t: &str| PARSER.parse_timestamp(t).ok().map(|t| t.as_second());
    let dashed = || {
        let (head, tail) = text.split_at_checked(17)?;
        seconds(&format!("{}{tail}", head.replace('-', " ")))
    };
    seconds(text).or_else(dashed).or_else(|| seconds(&obsolete(text)?))
}

/// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`, as they would be written today.
fn obsolete(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words[..] {
        [weekday, date, time, "GMT"] if weekday.len() > 4 && weekday.ends_with("day,") => {
            let (day, rest) = date.split_once('-')?;
            let (month, year) = rest.split_once('-')?;
            let century = if year.len() == 2 && year.parse::<u8>().ok()? < 70 { "20" } else { "19" };
            (year.len() == 2).then(|| format!("{day} {month} {century}{year} {time} GMT"))
        }
        [weekday, month, day, time, year] if weekday.len() == 3 && year.len() == 4 => {
            Some(format!("{day} {month} {year} {time} GMT"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_seen() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 -0000",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text), Some(784_111_777), "{text}");
        }
        assert_eq!(parse("Thursday, 01-Jan-26 01:00:00 GMT"), parse("Thu, 01 Jan 2026 01:00:00 GMT"));
        for text in [
            "0",
            "-1",
            "Sunday, 06-Nov-1994x08:49:37 GMT",
            "one two three 4:5:6 seven",
            "",
            "tomorrow at 12:00:00 or later",
            "Sun, 06 Nov 1994",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
