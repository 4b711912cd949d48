//! From an HTTP request to its answer: who asks, what for, and which part of the server knows.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::access::{ANONYMOUS, Access, Attributes, User};
use super::error::ApiError;
use super::negotiation::{self, Format, Wanted};
use super::objects::Objects;
use super::request::{self, Parameters, accept};
use super::resources::ResourceType;
use super::{discovery, escalation, health, openapi, protobuf, rbac, reading, respond, tokens, writing};
use crate::clock::Clock;

/// The largest body that is read.
const LARGEST_BODY: usize = 3 * 1024 * 1024;

/// The subresource by which service accounts get tokens.
const TOKEN: &str = "token";

/// The subresource by which the finalizers of a namespace are changed.
const FINALIZE: &str = "finalize";

/// Everything that answers requests.
#[derive(Debug)]
pub(crate) struct Server {
    /// The objects.
    pub(crate) objects: Objects,
    /// Who may ask.
    pub(crate) access: Access,
    /// What time it is.
    pub(crate) clock: Clock,
    /// Ends watches when the server stops.
    pub(crate) stop: CancellationToken,
}

/// A request on a resource that there is.
#[derive(Debug)]
pub(crate) struct Call {
    /// Who asks.
    pub(crate) user: User,
    /// What it is on.
    pub(crate) resource: Arc<ResourceType>,
    /// What it asks for.
    pub(crate) attributes: Attributes,
    /// Its parameters.
    pub(crate) parameters: Parameters,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// How its answer is to look.
    pub(crate) wanted: Wanted,
    /// Its body.
    pub(crate) body: Bytes,
}

/// What a request is answered with.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Text for people.
    Text(String),
    /// What is no object of a resource, in JSON, with its media type.
    Document(Value, &'static str),
    /// An object, with a status code and warnings.
    Object(StatusCode, Value, Vec<String>),
    /// Bytes, with their media type.
    Bytes(Vec<u8>, &'static str),
    /// The lines of a watch.
    Stream(Body),
}

impl Answer {
    /// An object with code 200.
    pub(crate) fn ok(object: Value) -> Self {
        Self::Object(StatusCode::OK, object, Vec::new())
    }
}

/// Answers a request.
pub(crate) async fn handle(State(server): State<Arc<Server>>, request: Request<Body>) -> Response {
    let zipped = respond::takes_gzip(request.headers());
    let parameters = Parameters::of(request.uri());
    let wanted = negotiation::wanted(request.headers(), parameters.given("pretty"));
    let format = wanted.as_ref().map_or(Format::Json, |wanted| wanted.format);
    let mut response = match server.answer(request, parameters, wanted).await {
        Ok(answer) => respond::answer(answer, format, zipped),
        Err(error) => respond::refusal(&error, format),
    };
    // Else it would be that of the machine, and not of the clock that everything here goes by.
    let date = server.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::try_from(date) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

impl Server {
    async fn answer(
        &self,
        request: Request<Body>,
        parameters: Parameters,
        wanted: Result<Wanted, ApiError>,
    ) -> Result<Answer, ApiError> {
        let (head, body) = request.into_parts();
        let header = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let path = head.uri.path();
        let attributes = request::attributes(&head.method, path, &parameters);
        let owner = self.access.authenticate(header(header::AUTHORIZATION), self.clock.now())?;
        if let Some(owner) = &owner
            && !tokens::is_alive(&self.objects.store, owner)
        {
            return Err(ApiError::unauthorized());
        }
        let user = owner.map_or_else(|| User::named(ANONYMOUS), |owner| owner.user);
        let user = rbac::impersonated(&self.objects.store, user, &head.headers)?;
        let agent = header(header::USER_AGENT).unwrap_or_default();
        self.access.note(&user.name, agent, &attributes);
        rbac::authorize(&self.objects.store, &user, &request::authorized(&attributes, &parameters))?;
        tracing::trace!(user = user.name, verb = attributes.verb.as_str(), path, "request");
        if let Some(answer) = self.outside_resources(&head.method, path, &head.headers, &parameters)? {
            return Ok(answer);
        }
        let resource = self
            .objects
            .registry
            .find(&attributes.group, &attributes.version, &attributes.resource)
            .filter(|resource| serves(resource, &attributes))
            .ok_or_else(ApiError::no_such_path)?;
        let wanted = wanted?;
        let body = Limited::new(body, LARGEST_BODY)
            .collect()
            .await
            .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => ApiError::too_large(LARGEST_BODY),
                None => ApiError::bad_request(format!("the body can't be read: {error}")),
            })?
            .to_bytes();
        let call = Call { user, resource, attributes, parameters, headers: head.headers, wanted, body };
        escalation::refuse(&self.objects.store, &call)?;
        reading::await_version(self, &call).await?;
        let mut answer = self.dispatch(&call)?;
        if let Answer::Object(_, _, warnings) = &mut answer {
            warnings.extend(call.resource.custom.as_ref().and_then(|custom| custom.deprecation.clone()));
        }
        Ok(answer)
    }

    fn dispatch(&self, call: &Call) -> Result<Answer, ApiError> {
        let verb = call.attributes.verb.as_str();
        let method_not_allowed = || {
            if call.resource.custom.is_some() {
                ApiError::verb_not_supported(&call.resource, verb)
            } else {
                ApiError::method_not_allowed()
            }
        };
        if call.resource.is_review() {
            return if verb == "create" {
                tokens::review(self, call)
            } else {
                Err(ApiError::method_not_allowed())
            };
        }
        if call.attributes.subresource.is_empty() {
            match verb {
                "get" => reading::get(self, call),
                "list" => reading::list(self, call),
                "watch" => reading::watch(self, call),
                "create" | "deletecollection"
                    if call.resource.namespaced && call.attributes.namespace.is_empty() =>
                {
                    Err(method_not_allowed())
                }
                "create" if call.attributes.name.is_empty() => writing::create(self, call),
                "update" if !call.attributes.name.is_empty() => writing::update(self, call),
                "patch" if !call.attributes.name.is_empty() => writing::patch(self, call),
                "delete" => writing::delete(self, call),
                "deletecollection" => writing::delete_collection(self, call),
                _ => Err(method_not_allowed()),
            }
        } else if call.attributes.subresource == TOKEN {
            if verb == "create" { tokens::request(self, call) } else { Err(ApiError::method_not_allowed()) }
        } else {
            match verb {
                "update" => writing::update(self, call),
                _ if call.attributes.subresource == FINALIZE => Err(ApiError::method_not_allowed()),
                "get" => reading::get(self, call),
                "patch" => writing::patch(self, call),
                _ => Err(method_not_allowed()),
            }
        }
    }

    /// The answer to a path that names no resource, when there is one.
    fn outside_resources(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        parameters: &Parameters,
    ) -> Result<Option<Answer>, ApiError> {
        // Nobody asks these for a method.
        if let Some(text) = health::answer(path, parameters.pairs()) {
            return Ok(Some(Answer::Text(text)));
        }
        let registry = &self.objects.registry;
        if path == "/openapi/v2" {
            let document = openapi::version_two(registry);
            return Ok(Some(if accept(headers).contains("proto-openapi") {
                Answer::Bytes(protobuf::openapi(&document), protobuf::OPENAPI_MEDIA_TYPE)
            } else {
                Answer::Document(document, "application/json")
            }));
        }
        if let Some(document) = openapi::answer(registry, path) {
            return Ok(Some(Answer::Document(document, "application/json")));
        }
        match discovery::answer(registry, path, headers) {
            Some(_) if method != Method::GET && method != Method::HEAD => Err(ApiError::method_not_allowed()),
            Some((document, media_type)) => Ok(Some(Answer::Document(document, media_type))),
            None => Ok(None),
        }
    }
}

fn serves(resource: &ResourceType, attributes: &Attributes) -> bool {
    let subresource = match attributes.subresource.as_str() {
        "" => true,
        "status" => resource.status,
        "scale" => resource.scale.is_some(),
        FINALIZE => resource.storage == "namespaces",
        TOKEN => resource.storage == "serviceaccounts",
        _ => false,
    };
    let placed = !attributes.namespace.is_empty();
    // Custom resources of all namespaces can be read and nothing else; of built-in ones that is a matter of
    // the method.
    let everywhere = resource.custom.is_none() || matches!(attributes.verb.as_str(), "list" | "watch");
    let place = if resource.namespaced {
        placed || (attributes.name.is_empty() && everywhere)
    } else {
        !placed || resource.storage == "namespaces"
    };
    subresource && place
}
