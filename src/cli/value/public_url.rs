//! Owns the URL under which clients reach a server, when that is not the address that it listens at.
//!
//! Never: has a path: applications know theirs.

use std::fmt;
use std::str::FromStr;

use firstbyte::http::url::Url;

/// `http://host[:port]` or `https://host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

/// A text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPublicUrl;

impl FromStr for PublicUrl {
    type Err = NoPublicUrl;

    fn from_str(text: &str) -> Result<PublicUrl, NoPublicUrl> {
        let url = Url::parse(text).map_err(|_| NoPublicUrl)?;
        if url.target() != "/" || text.contains('#') {
            return Err(NoPublicUrl);
        }
        Ok(PublicUrl(format!("{}://{}", url.scheme().as_str(), url.authority())))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NoPublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is no http:// or https:// with a host, a port at most, and nothing behind")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_an_origin_and_nothing_else() {
        let check = |text: &str, expected: Result<&str, NoPublicUrl>| {
            assert_eq!(text.parse::<PublicUrl>().map(|url| url.to_string()), expected.map(str::to_owned), "{text}");
        };
        check("http://localhost:8080", Ok("http://localhost:8080"));
        check("https://id.example/", Ok("https://id.example"));
        check("HTTPS://[::1]:1", Ok("https://[::1]:1"));
        for wrong in ["", "id.example", "ftp://h", "http://", "http://h/path", "http://h?x", "http://h#x", "http://u@h"]
        {
            check(wrong, Err(NoPublicUrl));
        }
    }
}
