//! Owns the clients' reading of answers: strict, incremental, and by other code than the server's.
//!
//! The one idea: the judge must not make the same mistake as the judged. Heads are parsed by httparse, chunks here.
//!
//! Spec: RFC 9112 4 (status-line), 6.3 (length of a response), 7.1 (chunks), 8 (incomplete messages).

/// One answer, complete or not.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// Who is answered, as the service says.
    pub served: Option<String>,
    /// What the `Connection` field says.
    pub closes: bool,
    pub content: Vec<u8>,
    /// What the head declares.
    pub length: Option<usize>,
    pub is_whole: bool,
    pub is_to_head: bool,
    /// Only the end of the connection ends it.
    pub until_close: bool,
    /// Interim answers before it.
    pub interim: usize,
}

impl Answer {
    /// The code of a refusal, `H1-HEAD-006`, in its words.
    pub fn code(&self) -> Option<&str> {
        if self.status < 400 {
            return None;
        }
        let text = std::str::from_utf8(&self.content).ok()?;
        let mut words = text.split(|c: char| c.is_whitespace() || "\"()#".contains(c));
        words.find(|word| word.starts_with("H1-") || word.starts_with("HTTP-"))
    }
}

/// Where in an answer the reader is.
enum At {
    Head,
    Content(usize),
    ChunkLine,
    ChunkData(usize),
    Trailers,
    UntilClose,
    /// Behind an answer that has announced the end.
    End,
}

/// Reads answers out of bytes as they come.
pub struct Reader {
    at: At,
    buffer: Vec<u8>,
    /// Whether the answer to each request is one to HEAD.
    is_head: Vec<bool>,
    current: Answer,
    interim: usize,
    pub answers: Vec<Answer>,
}

impl Reader {
    pub fn new(is_head: Vec<bool>) -> Reader {
        let (buffer, answers) = (Vec::new(), Vec::new());
        Reader { at: At::Head, buffer, is_head, current: Answer::default(), interim: 0, answers }
    }

    /// How many requests were told to go on, or answered.
    pub fn heard_of(&self) -> usize {
        self.answers.len() + usize::from(self.interim > 0 || !matches!(self.at, At::Head))
    }

    /// Takes what has come.
    ///
    /// # Errors
    /// What a server must not send.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.buffer.extend_from_slice(bytes);
        while self.step()? {}
        Ok(())
    }

    /// The stream is over, by a FIN or not. The last answer is incomplete when it is not followed by what it declared.
    pub fn finish(mut self, by_fin: bool) -> Vec<Answer> {
        match self.at {
            At::Head if self.buffer.is_empty() && self.interim == 0 => {}
            At::Head => self.answers.push(Answer { interim: self.interim, ..Answer::default() }),
            At::End => {}
            At::UntilClose => {
                self.current.is_whole = by_fin;
                self.answers.push(self.current);
            }
            At::Content(_) | At::ChunkLine | At::ChunkData(_) | At::Trailers => self.answers.push(self.current),
        }
        self.answers
    }

    /// One step; false when more bytes are needed.
    fn step(&mut self) -> Result<bool, String> {
        match self.at {
            At::Head => self.head(),
            At::Content(0) => Ok(self.whole()),
            At::Content(left) => {
                let taken = self.content(left);
                self.at = At::Content(left - taken);
                Ok(taken > 0)
            }
            At::ChunkLine => self.chunk_line(),
            At::ChunkData(0) => match self.buffer.get(..2) {
                None => Ok(false),
                Some(b"\r\n") => {
                    self.buffer.drain(..2);
                    self.at = At::ChunkLine;
                    Ok(true)
                }
                Some(other) => Err(format!("{other:?} ends a chunk")),
            },
            At::ChunkData(left) => {
                let taken = self.content(left);
                self.at = At::ChunkData(left - taken);
                Ok(taken > 0)
            }
            At::Trailers => self.trailers(),
            At::UntilClose => {
                self.content(usize::MAX);
                Ok(false)
            }
            At::End if self.buffer.is_empty() => Ok(false),
            // Who refuses half a head may not have seen that it begins with HEAD.
            At::End if self.answers.last().is_some_and(|answer| answer.status >= 400 && answer.is_to_head) => {
                self.buffer.clear();
                Ok(false)
            }
            At::End => Err(format!("bytes behind the last answer: {:?}", String::from_utf8_lossy(&self.buffer))),
        }
    }

    fn head(&mut self) -> Result<bool, String> {
        let mut lines = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut lines);
        let parsed = head.parse(&self.buffer).map_err(|error| format!("{error}: {:?}", self.shown()))?;
        let httparse::Status::Complete(len) = parsed else { return Ok(false) };
        let status = head.code.unwrap_or_default();
        if status == 100 {
            self.interim += 1;
            self.buffer.drain(..len);
            return Ok(true);
        }
        let Some(&is_head) = self.is_head.get(self.answers.len()) else { return Err("an answer to nothing".into()) };
        let interim = std::mem::take(&mut self.interim);
        let mut answer = Answer { status, interim, is_to_head: is_head, ..Answer::default() };
        let mut chunked = false;
        for line in head.headers.iter() {
            let value = std::str::from_utf8(line.value).map_err(|error| error.to_string())?;
            match line.name {
                "Content-Length" if answer.length.is_some() => return Err("two lengths".into()),
                "Content-Length" => answer.length = Some(value.parse().map_err(|_| format!("length {value}"))?),
                "Transfer-Encoding" => chunked = true,
                "Connection" => answer.closes = value == "close",
                "Served" => answer.served = Some(value.to_owned()),
                _ => {}
            }
        }
        if chunked && answer.length.is_some() {
            return Err("Content-Length beside Transfer-Encoding".into());
        }
        answer.until_close = !is_head && !chunked && answer.length.is_none();
        if answer.until_close && !answer.closes {
            return Err("content until the close, and no close".into());
        }
        self.at = match answer.length {
            _ if is_head => At::Content(0),
            Some(length) => At::Content(length),
            None if chunked => At::ChunkLine,
            None => At::UntilClose,
        };
        self.current = answer;
        self.buffer.drain(..len);
        Ok(true)
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.buffer[..self.buffer.len().min(60)]).into_owned()
    }

    /// Moves up to `most` bytes into the content.
    fn content(&mut self, most: usize) -> usize {
        let taken = self.buffer.len().min(most);
        self.current.content.extend_from_slice(&self.buffer[..taken]);
        self.buffer.drain(..taken);
        taken
    }

    fn chunk_line(&mut self) -> Result<bool, String> {
        match httparse::parse_chunk_size(&self.buffer) {
            Err(_) => Err(format!("{:?} begins a chunk", self.shown())),
            Ok(httparse::Status::Partial) => Ok(false),
            Ok(httparse::Status::Complete((len, size))) => {
                self.buffer.drain(..len);
                self.at = if size == 0 { At::Trailers } else { At::ChunkData(size as usize) };
                Ok(true)
            }
        }
    }

    /// Read and not kept: an echo sends those of its request.
    fn trailers(&mut self) -> Result<bool, String> {
        let Some(len) = self.buffer.windows(2).position(|bytes| bytes == b"\r\n") else { return Ok(false) };
        self.buffer.drain(..len + 2);
        Ok(if len == 0 { self.whole() } else { true })
    }

    fn whole(&mut self) -> bool {
        self.current.is_whole = true;
        self.at = if self.current.closes { At::End } else { At::Head };
        self.answers.push(std::mem::take(&mut self.current));
        true
    }
}
