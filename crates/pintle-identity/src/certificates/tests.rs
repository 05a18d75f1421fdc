//! A table of certificates, good and bad.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, date_time_ymd,
};

use super::*;
use crate::Lapsed;

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}

fn shown(by: &Authority, change: impl Fn(&mut CertificateParams)) -> ClientCertificates {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "alice");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    ClientCertificates::new(vec![params.signed_by(&key, &by.issuer).unwrap().der().clone()])
}

fn found(trust: &ClientTrust, shown: &ClientCertificates) -> Result<String, CertificateError> {
    let caller = trust.caller(shown, SystemTime::now())?;
    Ok(format!("{} {}", caller.user.name, caller.user.groups.join(" ")))
}

type Change<'c> = &'c dyn Fn(&mut CertificateParams);

#[test]
fn a_subject_says_who_it_is() {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let trust = ClientTrust::from_pem(ours.pem.as_bytes()).unwrap();
    let not_valid = |why| Err(CertificateError::NotValid(why));
    let alice = "alice system:authenticated system:masters".to_owned();
    assert_eq!(found(&trust, &shown(&ours, |_| ())), Ok(alice.clone()));
    let cases: [(&str, &Authority, Change<'_>, _); 6] = [
        ("another CA", &theirs, &|_| (), not_valid("nobody who is trusted here signed it")),
        (
            "expired",
            &ours,
            &|it| it.not_after = date_time_ymd(2020, 1, 1),
            not_valid("it has expired"),
        ),
        (
            "later",
            &ours,
            &|it| it.not_before = date_time_ymd(4000, 1, 1),
            not_valid("its time has not come"),
        ),
        (
            "for servers",
            &ours,
            &|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
            not_valid("it is not for clients"),
        ),
        (
            "nobody",
            &ours,
            &|it| it.distinguished_name = DistinguishedName::new(),
            Err(CertificateError::NoName),
        ),
        ("no purpose", &ours, &|it| it.extended_key_usages.clear(), Ok(alice)),
    ];
    for (what, by, change, expected) in cases {
        assert_eq!(found(&trust, &shown(by, change)), expected, "{what}");
    }
}

#[tokio::test]
async fn another_ca_takes_the_place_of_the_first() {
    let (old, new) = (authority("old"), authority("new"));
    let trust = ClientTrust::from_pem(old.pem.as_bytes()).unwrap();
    let (before, after) = (shown(&old, |_| ()), shown(&new, |_| ()));
    let caller = trust.caller(&before, SystemTime::now()).unwrap();
    assert_eq!(trust.replace(old.pem.as_bytes()), Ok(false), "the same again");
    assert!(trust.replace(b"nothing").is_err());
    let waits = tokio::time::timeout(Duration::from_millis(50), caller.lapse()).await;
    assert!(waits.is_err(), "nothing has changed");
    assert_eq!(trust.replace(new.pem.as_bytes()), Ok(true));
    assert_eq!(caller.lapse().await, Lapsed::Revoked);
    assert!(found(&trust, &before).is_err());
    assert!(found(&trust, &after).is_ok());
}

#[test]
fn a_certificate_is_good_until_it_expires() {
    let ours = authority("ours");
    let trust = ClientTrust::from_pem(ours.pem.as_bytes()).unwrap();
    let shown = shown(&ours, |it| it.not_after = date_time_ymd(2100, 1, 1));
    let (now, at_the_end) =
        (SystemTime::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_801));
    assert!(trust.caller(&shown, now).is_ok());
    let late = trust.caller(&shown, at_the_end).unwrap_err();
    assert_eq!(late, CertificateError::NotValid("it has expired"), "it was known before");
}
