//! Dates as HTTP writes them.

use jiff::fmt::rfc2822::DateTimeParser;

/// Seconds since 1970 of an IMF-fixdate, also with a numeric zone or with dashes as cookies have it.
pub(in crate::diff) fn parse(text: &str) -> Option<i64> {
    static PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    let text = text.trim();
    // A date has a weekday or a day of two digits first and a colon later: most values are turned away here.
    if text.len() < 20 || !text.contains(':') {
        return None;
    }
    let seconds = |t: &str| PARSER.parse_timestamp(t).ok().map(|t| t.as_second());
    seconds(text).or_else(|| {
        let (head, tail) = text.split_at_checked(17)?;
        seconds(&format!("{}{tail}", head.replace('-', " ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_seen() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 -0000", "Sun, 06-Nov-1994 08:49:37 GMT"]
        {
            assert_eq!(parse(text), Some(784_111_777), "{text}");
        }
        for text in ["0", "-1", "", "tomorrow at 12:00:00 or later", "Sun, 06 Nov 1994"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
