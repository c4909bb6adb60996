//! Getters for what Kafka's own rules limit: the list of brokers to start from, and topic names.
//!
//! Only texts are checked here; nothing is resolved or connected.

use super::Problems;

/// Longest topic name that Kafka takes.
const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Longest of the suffixes that the other topics of the pipeline add to the first one's name.
const SUFFIX_BYTES_MAX: usize = ".windows".len();

/// Longest list of brokers that is taken: they are only where to start, the rest is learnt from them.
const BOOTSTRAP_SERVERS_MAX: usize = 32;

impl Problems {
    /// Brokers to start from: `host:port`, several separated by commas; an IPv6 address in brackets.
    pub fn bootstrap_servers(&mut self, setting: &'static str, given: &Option<String>, default: &str) -> Vec<String> {
        let valid = "host:port, several separated by commas, such as localhost:9092";
        if given.as_ref().is_some_and(|text| text.contains('@')) {
            // What stands before the @ may be a password: the value is not repeated.
            self.add(&[setting], format!("has an @ in it, as user:password@host would; it must be {valid}"));
            return self.bootstrap_servers(setting, &None, default);
        }
        let servers = self.parsed(setting, given, Some(default), valid, bootstrap_servers);
        servers.unwrap_or_else(|| bootstrap_servers(default).expect("the default list of brokers is one"))
    }

    /// The name of a topic, by Kafka's rules, with room left for the suffixes of the pipeline's other topics.
    pub fn topic_name(&mut self, setting: &'static str, given: &Option<String>, default: &str) -> String {
        let bytes_max = TOPIC_NAME_BYTES_MAX - SUFFIX_BYTES_MAX;
        let valid = format!("1 to {bytes_max} characters of a-z A-Z 0-9 . _ - other than . and ..");
        let name = self.parsed(setting, given, Some(default), &valid, |text| topic_name(text, bytes_max));
        name.unwrap_or_else(|| default.to_owned())
    }
}

fn bootstrap_servers(text: &str) -> Result<Vec<String>, String> {
    let servers: Vec<_> = text.split(',').map(|server| server.trim().to_owned()).collect();
    if servers.len() > BOOTSTRAP_SERVERS_MAX {
        return Err(format!("names {} brokers, more than {BOOTSTRAP_SERVERS_MAX}", servers.len()));
    }
    for server in &servers {
        broker(server)?;
    }
    Ok(servers)
}

fn broker(server: &str) -> Result<(), String> {
    if server.is_empty() {
        return Err("has an empty entry".to_owned());
    }
    if server.contains("://") {
        return Err(format!("has a scheme in {server:?}, which is set by the security settings instead"));
    }
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(|| format!("has no ] in {server:?}"))?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| format!("has no IPv6 address in {server:?}"))?;
            (host, rest.strip_prefix(':'))
        }
        None => server.rsplit_once(':').map_or((server, None), |(host, port)| (host, Some(port))),
    };
    let Some(port) = port else { return Err(format!("has no port in {server:?}")) };
    let in_brackets = server.starts_with('[');
    if !in_brackets && host.contains(':') {
        return Err(format!("has an IPv6 address without brackets in {server:?}"));
    }
    let in_host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if host.is_empty() || !(in_brackets || host.chars().all(in_host)) {
        return Err(format!("has no host name in {server:?}"));
    }
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if digits => Ok(()),
        _ => Err(format!("has no port from 1 to 65535 in {server:?}")),
    }
}

fn topic_name(text: &str, bytes_max: usize) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text == "." || text == ".." {
        return Err("is not a topic name".to_owned());
    }
    if let Some(character) = text.chars().find(|&c| !allowed(c)) {
        return Err(format!("has {character:?}, which Kafka allows in no topic name"));
    }
    if text.len() > bytes_max {
        return Err(format!("is too long with {} characters", text.len()));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_brokers_are_taken_with_blanks_and_ipv6() {
        let servers = bootstrap_servers("kafka-1.example:9092, 10.0.0.2:9093 ,[2001:db8::1]:9094").unwrap();
        assert_eq!(servers, ["kafka-1.example:9092", "10.0.0.2:9093", "[2001:db8::1]:9094"]);
    }

    #[test]
    fn a_bad_list_of_brokers_is_told_which_entry_is_wrong() {
        for (text, wrong) in [
            ("localhost", "has no port in \"localhost\""),
            ("a:1,,b:2", "has an empty entry"),
            ("a:1,", "has an empty entry"),
            ("", "has an empty entry"),
            ("a:0", "has no port from 1 to 65535 in \"a:0\""),
            ("a:65536", "has no port from 1 to 65535 in \"a:65536\""),
            ("a:+9", "has no port from 1 to 65535 in \"a:+9\""),
            ("a:", "has no port from 1 to 65535 in \"a:\""),
            (":9092", "has no host name in \":9092\""),
            ("a b:9092", "has no host name in \"a b:9092\""),
            ("a;b:9092", "has no host name in \"a;b:9092\""),
            ("::1:9092", "has an IPv6 address without brackets in \"::1:9092\""),
            ("[::1]", "has no port in \"[::1]\""),
            ("[::1]9092", "has no port in \"[::1]9092\""),
            ("[::1", "has no ] in \"[::1\""),
            ("[kafka]:9092", "has no IPv6 address in \"[kafka]:9092\""),
            (
                "PLAINTEXT://a:9092",
                "has a scheme in \"PLAINTEXT://a:9092\", which is set by the security settings instead",
            ),
        ] {
            assert_eq!(bootstrap_servers(text), Err(wrong.to_owned()), "{text:?}");
        }
        let many = vec!["a:1"; 33].join(",");
        assert_eq!(bootstrap_servers(&many), Err("names 33 brokers, more than 32".to_owned()));
    }

    #[test]
    fn a_password_in_a_servers_address_is_not_repeated() {
        let mut problems = Problems::default();
        problems.bootstrap_servers("kafka_bootstrap_servers", &Some("app:hunter2@kafka:9092".to_owned()), "a:1");
        let told = problems.finish().unwrap_err().to_string();
        assert!(told.contains("KAFKA_BOOTSTRAP_SERVERS") && told.contains('@') && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn topic_names_follow_kafkas_rules_and_leave_room_for_suffixes() {
        let longest = "a".repeat(241);
        for good in ["transactions", "a", "A.b_c-9", "...", longest.as_str()] {
            let mut problems = Problems::default();
            assert_eq!(problems.topic_name("kafka_topic", &Some(good.to_owned()), "other"), good);
            problems.finish().unwrap();
        }
        let too_long = "a".repeat(242);
        for bad in ["", ".", "..", "a b", "a/b", "zürich", "a:b", too_long.as_str()] {
            let mut problems = Problems::default();
            problems.topic_name("kafka_topic", &Some(bad.to_owned()), "transactions");
            assert_eq!(problems.found().len(), 1, "{bad:?}");
        }
    }
}
