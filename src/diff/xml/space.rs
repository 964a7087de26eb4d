//! White space of an element's content that is there for the eye. Where `xml:space` keeps it, nothing here is asked.

use super::read::Content;

/// White space that is only there between elements, or to end a line, is no text. Where elements stand among words, or
/// are such by being `inline`, a space between two of them parts words, if neither is a `block` on lines of its own.
pub(super) fn trim(content: &mut Vec<Content>, inline: bool, block: impl Fn(usize) -> bool) {
    let blank = |c: &Content| matches!(c, Content::Text(t) if t.trim_ascii().is_empty());
    if content.iter().any(|c| matches!(c, Content::Element(_))) {
        let words = content.iter().any(|c| matches!(c, Content::Text(_)) && !blank(c));
        let is_block = |c: &Content| matches!(c, Content::Element(child) if block(*child));
        let apart = |w: &[Content]| matches!(w, [x, c, y] if blank(c) && (is_block(x) || is_block(y)));
        let beside: Vec<bool> = content.windows(3).map(apart).collect();
        let (mut at, end) = (0, content.len().saturating_sub(1));
        content.retain_mut(|item| {
            let between = at > 0 && at < end && !beside.get(at - 1).is_some_and(|beside| *beside);
            at += 1;
            match item {
                Content::Text(text) if text.trim_ascii().is_empty() => {
                    let parts = between && (words || inline && !text.contains('\n'));
                    if parts {
                        " ".clone_into(text);
                    }
                    parts
                }
                _ => true,
            }
        });
        let last = content.len().saturating_sub(1);
        for (i, item) in content.iter_mut().enumerate() {
            if let Content::Text(text) = item {
                rejoin(text, if i == 0 { "" } else { " " }, if i == last { "" } else { " " });
            }
        }
    } else if matches!(&**content, [only @ Content::Text(text)] if blank(only) && text.contains('\n')) {
        content.clear();
    }
}

/// Whether an element of XHTML holds elements only.
pub(super) fn holds_elements(name: &str) -> bool {
    matches!(
        name,
        "html"
            | "head"
            | "ul"
            | "ol"
            | "menu"
            | "dl"
            | "table"
            | "thead"
            | "tbody"
            | "tfoot"
            | "tr"
            | "colgroup"
            | "select"
            | "optgroup"
            | "datalist"
    )
}

/// Whether an element of XHTML stands on lines of its own.
pub(super) fn is_block(name: &str) -> bool {
    let text = matches!(
        name,
        "p" | "div"
            | "pre"
            | "blockquote"
            | "address"
            | "hr"
            | "br"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "li"
            | "dt"
            | "dd"
            | "td"
            | "th"
            | "caption"
            | "legend"
            | "figure"
            | "figcaption"
            | "summary"
    );
    let section = matches!(
        name,
        "body"
            | "article"
            | "section"
            | "header"
            | "footer"
            | "nav"
            | "main"
            | "aside"
            | "hgroup"
            | "details"
            | "dialog"
            | "fieldset"
            | "form"
            | "option"
            | "col"
    );
    text || section || holds_elements(name) && !matches!(name, "select" | "datalist")
}

/// Line breaks around text that stands beside elements, with the indentation they bring: nothing next to the tags of
/// its own element, one space next to another's, where they part words.
fn rejoin(text: &mut String, before: &str, after: &str) {
    let (head, tail) = (text.trim_ascii_start(), text.trim_ascii_end());
    let (start, end) = (text.len() - head.len(), tail.len());
    let breaks = |space: Option<&str>| space.is_some_and(|space| space.contains('\n'));
    if breaks(text.get(end..)) {
        text.replace_range(end.., after);
    }
    if breaks(text.get(..start)) {
        text.replace_range(..start, before);
    }
}
