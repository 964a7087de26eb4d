//! What other systems sent, made harmless for the place it is shown in: HTML, XML, terminals, Markdown, annotations.

use std::fmt::{self, Display, Formatter, Write};

/// Text for HTML elements and double-quoted attributes. Control and bidirectional characters become visible.
#[derive(Debug, Clone, Copy)]
pub struct Html<T>(pub T);

impl<T: Display> Display for Html<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        struct Sink<'a, 'b>(&'a mut Formatter<'b>);
        impl Write for Sink<'_, '_> {
            fn write_str(&mut self, s: &str) -> fmt::Result {
                for c in s.chars() {
                    match c {
                        '&' => self.0.write_str("&amp;")?,
                        '<' => self.0.write_str("&lt;")?,
                        '>' => self.0.write_str("&gt;")?,
                        '"' => self.0.write_str("&quot;")?,
                        '\'' => self.0.write_str("&#39;")?,
                        '\n' | '\t' => self.0.write_char(c)?,
                        c if is_tricky(c) => self.0.write_char(visible(c))?,
                        c => self.0.write_char(c)?,
                    }
                }
                Ok(())
            }
        }
        write!(Sink(f), "{}", self.0)
    }
}

/// The same for whatever a template prints.
#[derive(Debug, Clone, Copy, Default)]
pub struct Harmless;

impl askama::filters::Escaper for Harmless {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        write!(dest, "{}", Html(string))
    }
}

/// Text for XML 1.0, which has no way at all to write most control characters.
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if is_tricky(c) => out.push(visible(c)),
            c => out.push(c),
        }
    }
    out
}

/// One line for a terminal: nothing that moves the cursor, changes colours or reorders what follows.
pub fn line(text: &str) -> String {
    text.chars().map(|c| if is_tricky(c) || c == '\n' || c == '\t' { visible(c) } else { c }).collect()
}

/// One line of Markdown in which nothing is markup.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in line(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // `@` would call people, `#` link issues, `:` and `/` make links of addresses.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '|' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.replace("://", "&#58;//")
}

/// The text of a workflow command; `property` for what stands before the `::`.
pub fn workflow(text: &str, property: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' => out.push_str("%25"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            ':' if property => out.push_str("%3A"),
            ',' if property => out.push_str("%2C"),
            c if is_tricky(c) => out.push(visible(c)),
            c => out.push(c),
        }
    }
    out
}

/// Control characters but for newline and tab, and the characters that reorder or hide text.
fn is_tricky(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

/// A control picture for the ASCII controls, the replacement character for the rest.
fn visible(c: char) -> char {
    match c as u32 {
        n @ 0..=0x1f => char::from_u32(0x2400 + n).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hostile_survives() {
        assert_eq!(
            Html("<b a=\"1\" c='2'>&\u{1b}[0m\u{202e}\n").to_string(),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;␛[0m\u{fffd}\n"
        );
        assert_eq!(xml("a<b>&\"'\u{0}\n\u{ffff}"), "a&lt;b&gt;&amp;&quot;&apos;␀&#10;\u{fffd}");
        assert_eq!(line("red \u{1b}[31m\r\nx"), "red ␛[31m␍␊x");
        assert_eq!(markdown("a|b `c` <d> @me https://x"), "a\\|b \\`c\\` &lt;d&gt; &#64;me https&#58;//x");
        assert_eq!(workflow("50% a\r\nb:c,d", false), "50%25 a%0D%0Ab:c,d");
        assert_eq!(workflow("b:c,d%", true), "b%3Ac%2Cd%25");
    }
}
