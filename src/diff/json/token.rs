//! JSON text into tokens: kind and span, strictly by RFC 8259, without recursion.
//!
//! It does not unescape, build or check UTF-8; the bytes are UTF-8 already. A byte order mark is no JSON.

/// What a token is. A key includes that a colon follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Key,
    String,
    Number,
    True,
    False,
    Null,
}

/// One token: `bytes[start..end]`, quotes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// Why there is no next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON.
    Syntax,
    /// Nested deeper than allowed.
    Depth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    KeyOrEnd,
    Key,
    CommaOrEnd,
    Nothing,
}

/// Walks over a JSON text once.
#[derive(Debug)]
pub struct Tokenizer<'a> {
    bytes: &'a [u8],
    at: usize,
    expect: Expect,
    /// The open containers, innermost last: whether it is an object.
    open: Vec<bool>,
    max_depth: usize,
}

// === impl Tokenizer ===

impl<'a> Tokenizer<'a> {
    pub fn new(bytes: &'a [u8], max_depth: usize) -> Self {
        Self { bytes, at: 0, expect: Expect::Value, open: Vec::new(), max_depth }
    }

    /// The next token; `None` after the end of a whole document.
    pub fn next(&mut self) -> Result<Option<Token>, Fault> {
        self.blanks();
        if self.expect == Expect::CommaOrEnd {
            match (self.peek(), self.open.last()) {
                (Some(b','), Some(object)) => {
                    self.at += 1;
                    self.expect = if *object { Expect::Key } else { Expect::Value };
                    self.blanks();
                }
                (Some(b'}'), Some(true)) => return self.close(Kind::ObjectEnd),
                (Some(b']'), Some(false)) => return self.close(Kind::ArrayEnd),
                _ => return Err(Fault::Syntax),
            }
        }
        match (self.expect, self.peek()) {
            (Expect::Nothing, None) => Ok(None),
            (Expect::KeyOrEnd, Some(b'}')) => self.close(Kind::ObjectEnd),
            (Expect::ValueOrEnd, Some(b']')) => self.close(Kind::ArrayEnd),
            (Expect::KeyOrEnd | Expect::Key, Some(b'"')) => self.key(),
            (Expect::Value | Expect::ValueOrEnd, Some(first)) => self.value(first),
            _ => Err(Fault::Syntax),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn token(&self, kind: Kind, start: usize) -> Result<Option<Token>, Fault> {
        Ok(Some(Token { kind, start, end: self.at }))
    }

    fn after_value(&self) -> Expect {
        if self.open.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd }
    }

    fn close(&mut self, kind: Kind) -> Result<Option<Token>, Fault> {
        self.at += 1;
        self.open.pop();
        self.expect = self.after_value();
        self.token(kind, self.at - 1)
    }

    fn open(&mut self, object: bool) -> Result<Option<Token>, Fault> {
        if self.open.len() >= self.max_depth {
            return Err(Fault::Depth);
        }
        self.at += 1;
        self.open.push(object);
        self.expect = if object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
        self.token(if object { Kind::ObjectStart } else { Kind::ArrayStart }, self.at - 1)
    }

    fn key(&mut self) -> Result<Option<Token>, Fault> {
        let start = self.at;
        self.string()?;
        let end = self.at;
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(Fault::Syntax);
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(Some(Token { kind: Kind::Key, start, end }))
    }

    fn value(&mut self, first: u8) -> Result<Option<Token>, Fault> {
        let start = self.at;
        let kind = match first {
            b'{' => return self.open(true),
            b'[' => return self.open(false),
            b'"' => {
                self.string()?;
                Kind::String
            }
            b't' => self.word(b"true", Kind::True)?,
            b'f' => self.word(b"false", Kind::False)?,
            b'n' => self.word(b"null", Kind::Null)?,
            b'-' | b'0'..=b'9' => {
                self.number()?;
                Kind::Number
            }
            _ => return Err(Fault::Syntax),
        };
        self.expect = self.after_value();
        self.token(kind, start)
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, Fault> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(Fault::Syntax);
        }
        self.at += word.len();
        Ok(kind)
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or(&[]);
            let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1F)).ok_or(Fault::Syntax)?;
            self.at += plain + 1;
            match rest.get(plain) {
                Some(b'"') => return Ok(()),
                Some(b'\\') => match self.peek() {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                    Some(b'u') => {
                        let hex = self.bytes.get(self.at + 1..self.at + 5).ok_or(Fault::Syntax)?;
                        if !hex.iter().all(u8::is_ascii_hexdigit) {
                            return Err(Fault::Syntax);
                        }
                        self.at += 5;
                    }
                    _ => return Err(Fault::Syntax),
                },
                _ => return Err(Fault::Syntax),
            }
        }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(Fault::Syntax) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }
}
