//! DescribeConfigs, IncrementalAlterConfigs: of topics, and what little there is to say of the broker.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{
    DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::api::topics::Refusal;
use crate::api::{Caller, text};
use crate::config::{ConfigFault, KEYS, Key, TopicConfig};
use crate::node::{NODE_ID, Node};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Where a value comes from, in Kafka's numbers.
const SOURCE_TOPIC: i8 = 1;
const SOURCE_STATIC_BROKER: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;
/// Kafka's number for "text".
const KIND_TEXT: i8 = 2;

/// Where the value of `key` comes from.
pub(super) fn source_of(config: &TopicConfig, key: &Key) -> i8 {
    if config.is_set(key) { SOURCE_TOPIC } else { SOURCE_DEFAULT }
}

pub(super) fn describe_configs(node: &Node, _: &Caller, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|resource| {
        let described = describe(node, &resource, request.include_synonyms, request.include_documentation);
        let answer = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name);
        match described {
            Ok(configs) => answer.with_configs(configs),
            Err(refusal) => answer.with_error_code(refusal.error.code()).with_error_message(text(refusal.message)),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe(
    node: &Node,
    resource: &DescribeConfigsResource,
    synonyms: bool,
    documentation: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let asked_for = |name: &str| {
        resource.configuration_keys.as_ref().is_none_or(|keys| keys.is_empty() || keys.iter().any(|key| **key == *name))
    };
    match resource.resource_type {
        TOPIC => {
            let config = find(node, &resource.resource_name)?;
            let keys = KEYS.iter().filter(|key| asked_for(key.name));
            Ok(keys.map(|key| topic_entry(&config, key, synonyms, documentation)).collect())
        }
        BROKER if resource.resource_name.is_empty() => Ok(Vec::new()),
        BROKER if *resource.resource_name == NODE_ID.to_string() => {
            Ok(broker_entries(node).into_iter().filter(|entry| asked_for(&entry.name)).collect())
        }
        other => Err(Refusal {
            error: ResponseError::InvalidRequest,
            message: format!("there are no configurations of resource type {other} and that name here"),
        }),
    }
}

fn find(node: &Node, topic: &str) -> Result<TopicConfig, Refusal> {
    let found = node.topics.get(topic).ok_or(crate::topics::TopicFault::Unknown)?;
    Ok(found.config())
}

fn topic_entry(
    config: &TopicConfig,
    key: &'static Key,
    synonyms: bool,
    documentation: bool,
) -> DescribeConfigsResourceResult {
    let name = StrBytes::from_static_str(key.name);
    let synonym = |value: &str, source| {
        DescribeConfigsSynonym::default().with_name(name.clone()).with_value(text(value)).with_source(source)
    };
    let mut chain = vec![synonym(key.default, SOURCE_DEFAULT)];
    if config.is_set(key) {
        chain.insert(0, synonym(config.get(key), SOURCE_TOPIC));
    }
    DescribeConfigsResourceResult::default()
        .with_value(text(config.get(key)))
        .with_config_source(source_of(config, key))
        .with_synonyms(if synonyms { chain } else { Vec::new() })
        .with_config_type(key.kind.code())
        .with_documentation(documentation.then(|| StrBytes::from_static_str(key.documentation)))
        .with_name(name)
}

fn broker_entries(node: &Node) -> Vec<DescribeConfigsResourceResult> {
    let entry = |name: &'static str, value: String| {
        DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(text(value))
            .with_read_only(true)
            .with_config_source(SOURCE_STATIC_BROKER)
            .with_config_type(KIND_TEXT)
    };
    vec![
        entry("auto.create.topics.enable", false.to_string()),
        entry("max.connections", node.limits.connections_max.to_string()),
        entry("node.id", NODE_ID.to_string()),
        entry("num.partitions", node.partitions_default.to_string()),
        entry("socket.request.max.bytes", node.limits.request_bytes_max.to_string()),
    ]
}

pub(super) fn incremental_alter_configs(
    node: &Node,
    _: &Caller,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let responses = request.resources.into_iter().map(|resource| {
        let altered = alter(node, &resource, request.validate_only);
        let answer = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name);
        match altered {
            Ok(()) => answer,
            Err(refusal) => answer.with_error_code(refusal.error.code()).with_error_message(text(refusal.message)),
        }
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

fn alter(node: &Node, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), Refusal> {
    if resource.resource_type != TOPIC {
        let message = "only topics can be configured while the development broker runs".to_owned();
        return Err(Refusal { error: ResponseError::InvalidRequest, message });
    }
    let change = |config: &mut TopicConfig| resource.configs.iter().try_for_each(|entry| apply(config, entry));
    Ok(node.topics.alter(&resource.resource_name, validate_only, change)?)
}

fn apply(config: &mut TopicConfig, entry: &AlterableConfig) -> Result<(), ConfigFault> {
    let value = || entry.value.as_ref().ok_or_else(|| ConfigFault::Null(entry.name.to_string()));
    match entry.config_operation {
        0 => config.set(&entry.name, value()?),
        1 => config.unset(&entry.name),
        2 => config.change_list(&entry.name, value()?, true),
        3 => config.change_list(&entry.name, value()?, false),
        other => Err(ConfigFault::Unknown(format!("{} (operation {other})", entry.name.as_str()))),
    }
}
