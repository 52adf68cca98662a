//! Every algorithm signs and verifies; what is no key and no signature is refused.

use super::*;

/// A key of RSA cannot be generated here: `openssl` does it.
fn rsa_pem(bits: u32, e: u64) -> String {
    let (bits, e) = (format!("rsa_keygen_bits:{bits}"), format!("rsa_keygen_pubexp:{e}"));
    let arguments = ["genpkey", "-algorithm", "RSA", "-pkeyopt", &bits, "-pkeyopt", &e];
    let made = std::process::Command::new("openssl").args(arguments).output().expect("openssl");
    String::from_utf8(made.stdout).expect("a PEM")
}

/// One key, once for all tests.
fn rsa_key() -> PrivateKey {
    static PEM: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| rsa_pem(2048, 65_537));
    PrivateKey::from_pem(Algorithm::RS256, &PEM).expect("a key")
}

/// Another key of the same kind and length.
fn other_key(algorithm: Algorithm) -> PrivateKey {
    let rsa = || PrivateKey::from_pem(Algorithm::RS256, &rsa_pem(2048, 65_537)).expect("a key");
    PrivateKey::generate(algorithm).unwrap_or_else(|_| rsa())
}

fn key(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::generate(algorithm).unwrap_or_else(|_| rsa_key())
}

#[test]
fn what_is_signed_is_verified_by_its_own_key_and_by_no_other() {
    for algorithm in Algorithm::ALL {
        let (private, other) = (key(algorithm), other_key(algorithm));
        let signature = private.sign(b"message");
        let public = private.public();
        assert_eq!((private.algorithm(), public.algorithm()), (algorithm, algorithm));
        assert_eq!(signature.len(), public.signature_bytes(), "{algorithm}");
        assert!(public.is_signed(b"message", &signature), "{algorithm}");
        assert!(!public.is_signed(b"Message", &signature), "{algorithm}");
        assert_eq!(other.public().signature_bytes(), signature.len(), "so that its length does not tell");
        assert!(!other.public().is_signed(b"message", &signature), "{algorithm}");
        assert!(!public.is_signed(b"message", &other.sign(b"message")), "{algorithm}");
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert!(!public.is_signed(b"message", &changed), "{algorithm}: byte {at}");
        }
    }
}

#[test]
fn a_key_comes_back_from_a_store_and_from_its_parts() {
    for algorithm in Algorithm::ALL {
        let private = key(algorithm);
        let signature = private.sign(b"message");
        let again = PrivateKey::from_pkcs8(algorithm, private.to_pkcs8()).expect("a key");
        assert!(again.public().is_signed(b"message", &signature), "{algorithm}");
        assert_eq!(private.public().parts().is_none(), algorithm == Algorithm::HS256);
        if let Some(parts) = private.public().parts() {
            let public = PublicKey::from_parts(&parts).expect("a key");
            assert!(public.is_signed(b"message", &signature), "{algorithm}");
        }
        for other in Algorithm::ALL.into_iter().filter(|&other| other != algorithm && other != Algorithm::HS256) {
            assert_eq!(PrivateKey::from_pkcs8(other, private.to_pkcs8()).err(), Some(KeyError::Private));
        }
    }
    assert_eq!(PrivateKey::generate(Algorithm::RS256).err(), Some(KeyError::NotGenerated));
}

#[test]
fn signatures_that_are_none_are_refused() {
    for algorithm in Algorithm::ALL {
        let private = key(algorithm);
        let (public, signature) = (private.public(), private.sign(b"message"));
        let length = signature.len();
        for none in [vec![], vec![0; length], vec![0xff; length], vec![0; length - 1], vec![0; length + 1], {
            let mut longer = signature.clone();
            longer.push(0);
            longer
        }] {
            assert!(!public.is_signed(b"message", &none), "{algorithm}: {none:?}");
        }
    }
}

#[test]
fn numbers_that_make_no_key_are_refused() {
    let check = |parts: PublicParts, expected: Option<KeyError>| {
        assert_eq!(PublicKey::from_parts(&parts).err(), expected, "{parts:?}");
    };
    let modulus = |bytes: usize, first: u8, last: u8| {
        let mut n = vec![0x55; bytes];
        (n[0], n[bytes - 1]) = (first, last);
        n
    };
    let e = vec![1, 0, 1];
    let rsa = |n: Vec<u8>, e: &[u8]| PublicParts::Rsa { n, e: e.to_vec() };
    check(rsa(modulus(256, 0x80, 1), &e), None);
    check(rsa(modulus(1024, 0x80, 1), &e), None);
    check(rsa(modulus(256, 0x80, 1), &[3]), None);
    for n in [
        vec![],
        vec![1],
        modulus(128, 0x80, 1),
        modulus(256, 0x7f, 1),
        modulus(256, 0x80, 2),
        modulus(257, 0, 1),
        modulus(1025, 1, 1),
    ] {
        check(rsa(n, &e), Some(KeyError::Modulus));
    }
    for e in [&[][..], &[0], &[1], &[2], &[0, 3], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        check(rsa(modulus(256, 0x80, 1), e), Some(KeyError::Exponent));
    }
    let Some(PublicParts::P256 { x, y }) = key(Algorithm::ES256).public().parts() else { panic!("a point") };
    check(PublicParts::P256 { x, y }, None);
    for (x, y) in [([0; 32], [0; 32]), (x, x), (y, x), ([0xff; 32], y)] {
        check(PublicParts::P256 { x, y }, Some(KeyError::Point));
    }
}

/// y = 1, R = y and S = 0 is a signature of every message by the key y = 1, wherever this check is missing.
#[test]
fn a_key_that_anybody_can_sign_for_is_refused() {
    let ring_takes = |x: &[u8; 32]| {
        let forged = [&little_endian(1, 0, 0)[..], &[0; 32]].concat();
        UnparsedPublicKey::new(&ED25519, x).verify(b"whatever", &forged).is_ok()
    };
    assert!(ring_takes(&little_endian(1, 0, 0)), "nobody else looks");
    for mut x in SMALL_ORDER {
        for sign in [0, 0x80] {
            x[31] |= sign;
            assert_eq!(PublicKey::from_parts(&PublicParts::Ed25519 { x }).err(), Some(KeyError::Point), "{x:02x?}");
        }
    }
    // The two of order eight are y and p - y.
    let sums: Vec<u16> =
        SMALL_ORDER[2].iter().zip(SMALL_ORDER[3]).map(|(y, other)| u16::from(*y) + u16::from(other)).collect();
    assert_eq!(sums, SMALL_ORDER[5].map(u16::from));
}

#[test]
fn what_nobody_would_verify_is_not_signed() {
    let refused = |bits, e| PrivateKey::from_pem(Algorithm::RS256, &rsa_pem(bits, e)).err();
    assert_eq!(refused(2048, (1 << 32) + 1), Some(KeyError::Exponent), "33 bits");
    assert!(refused(2047, 65_537).is_some());
}

#[test]
fn secrets_are_as_long_as_their_hash_at_least() {
    for (bytes, fits) in [(0, false), (16, false), (31, false), (32, true), (64, true), (512, true), (513, false)] {
        let secret = vec![7; bytes];
        assert_eq!(PublicKey::of_secret(&secret).is_ok(), fits, "{bytes}");
        assert_eq!(PrivateKey::from_pkcs8(Algorithm::HS256, &secret).is_ok(), fits, "{bytes}");
    }
}

#[test]
fn what_is_no_pem_is_refused() {
    let ec = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
    for none in
        ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n", ec, "-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----"]
    {
        assert_eq!(PrivateKey::from_pem(Algorithm::ES256, none).err(), Some(KeyError::Pem), "{none}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    for algorithm in Algorithm::ALL {
        let private = key(algorithm);
        assert_eq!(format!("{private:?}"), format!("PrivateKey({algorithm}, ***)"));
        assert_eq!(format!("{:?}", private.public()), format!("PublicKey({algorithm})"));
    }
}
