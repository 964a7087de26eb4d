//! What is wrong with a configuration: all of it at once, each with its place and its remedy.

use super::node::Place;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;

/// Everything that is wrong. Its `Display` is what a person reads, without colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// As the user named it; none when there are only flags.
    file: Option<String>,
    text: String,
    problems: Vec<Problem>,
    unread: bool,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A lower case sentence without a dot at its end.
    pub message: String,
    /// What to do, to stand beside the place.
    pub label: Option<String>,
    /// What to do, in lines of its own.
    pub help: Option<String>,
    pub(super) place: Place,
}

/// Where a problem stands, counted from one; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

// === impl Problem ===

impl Problem {
    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self { message: message.into(), label: None, help: None, place }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        let label = label.into();
        self.label = (!label.is_empty()).then_some(label);
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The flag at fault, `--primary`, where it is one.
    pub fn flag(&self) -> Option<&str> {
        match &self.place {
            Place::Flag(flag, _) => Some(flag),
            _ => None,
        }
    }
}

// === impl ConfigError ===

impl ConfigError {
    /// In the order of the file, what has no line first, each problem once.
    pub(super) fn new(file: Option<String>, text: String, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|p| match &p.place {
            Place::Nowhere => (0, 0),
            Place::Flag(..) => (1, 0),
            Place::Span(span) => (2, span.start),
        });
        let mut once: Vec<Problem> = Vec::new();
        for problem in problems {
            if !once.contains(&problem) {
                once.push(problem);
            }
        }
        Self { file, text, problems: once, unread: false }
    }

    /// Nothing of the file is known.
    pub(super) fn unread(file: String, error: &std::io::Error) -> Self {
        let message = format!("cannot read the configuration {file}: {error}");
        let problems = vec![Problem::at(Place::Nowhere, message)];
        Self { file: Some(file), text: String::new(), problems, unread: true }
    }

    /// Whether it is not what is written, but that it could not be read: which may be over when tried again.
    pub fn is_unread(&self) -> bool {
        self.unread
    }

    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Line and column of a problem, where it stands in the file.
    pub fn position(&self, problem: &Problem) -> Option<Position> {
        let Place::Span(span) = &problem.place else { return None };
        let line = Line::of(&self.text, span);
        let column = line.text.get(..line.span.start).unwrap_or_default().chars().count() + 1;
        Some(Position { line: line.number, column })
    }

    /// As a person reads it: every problem drawn with its line, then how many there are.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for problem in &self.problems {
            out.push_str(&self.draw(problem, &renderer));
            out.push('\n');
        }
        let count = match self.problems.len() {
            1 => "1 error".to_owned(),
            n => format!("{n} errors"),
        };
        match &self.file {
            Some(file) => out.push_str(&format!("{count} in {file}")),
            None => out.push_str(&count),
        }
        out
    }

    fn draw(&self, problem: &Problem, renderer: &Renderer) -> String {
        let title = Level::ERROR.primary_title(problem.message.clone());
        // Beside a drawn line the label stands under the caret; elsewhere it is help like any other.
        let mut help: Vec<&str> = problem.help.as_deref().into_iter().collect();
        let mut out = match &problem.place {
            Place::Span(span) => {
                let line = Line::of(&self.text, span);
                let mut mark = AnnotationKind::Primary.span(line.span.clone());
                if let Some(label) = &problem.label {
                    mark = mark.label(label.clone());
                }
                let snippet = Snippet::source(line.text.to_owned()).line_start(line.number);
                renderer.render(&[title.element(snippet.path(self.file.clone()).annotation(mark))])
            }
            place => {
                help.splice(0..0, problem.label.as_deref());
                let title = renderer.render(&[Group::with_title(title)]);
                match (place, &self.file) {
                    (Place::Flag(flag, value), _) => format!("{title}\n  --> {flag} {value}"),
                    (_, Some(file)) => format!("{title}\n  --> {file}"),
                    _ => title,
                }
            }
        };
        if !help.is_empty() {
            out.push('\n');
            out.push_str(&renderer.render(&[Group::with_title(Level::HELP.secondary_title(help.join("\n")))]));
        }
        out
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigError {}

/// The line in which a span begins, and what of the span is on it.
struct Line<'a> {
    number: usize,
    text: &'a str,
    span: Range<usize>,
}

impl<'a> Line<'a> {
    fn of(text: &'a str, span: &Range<usize>) -> Self {
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let (before, after) = text.split_at(start);
        let begin = before.rfind('\n').map_or(0, |i| i + 1);
        let end = start + after.find(['\n', '\r']).unwrap_or(after.len());
        let line = text.get(begin..end).unwrap_or_default();
        let mut stop = span.end.clamp(start, end) - begin;
        while !line.is_char_boundary(stop) {
            stop -= 1;
        }
        Line { number: before.matches('\n').count() + 1, text: line, span: start - begin..stop.max(start - begin) }
    }
}
