//! What is signed is verified, and what is not is refused.

use super::*;

const NOW: u64 = 1_700_000_000;

fn claims() -> Claims {
    Claims {
        iss: "https://issuer.example/identity".to_owned(),
        sub: "ada".to_owned(),
        aud: vec!["catalog".to_owned()],
        exp: NOW + 300,
        nbf: NOW,
        iat: NOW,
        jti: "1".to_owned(),
        scope: "catalog:read catalog:write".parse().unwrap(),
        roles: vec!["admin".to_owned()],
        client_id: Some("demo-cli".to_owned()),
    }
}

const EXPECTED: Expected<'_> =
    Expected { issuer: "https://issuer.example/identity", audience: "catalog", now: NOW, leeway: 5 };

#[test]
fn what_is_signed_is_verified() {
    for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
        let key = SigningKey::generate(algorithm).unwrap();
        let token = key.sign(&claims());
        assert_eq!(verify(&token, &key.verifying(), &EXPECTED), Ok(claims()), "{algorithm}");
        let other = SigningKey::generate(algorithm).unwrap();
        let refused = Err(Refused::UnknownKey { kid: key.kid().to_owned() });
        assert_eq!(verify(&token, &other.verifying(), &EXPECTED), refused, "{algorithm}");
    }
}
