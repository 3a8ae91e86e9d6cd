/**
 * The API as an OpenAPI 3.1 document, made from the route table and its schemas; nothing is written here a second time.
 *
 * It holds no fact about one daemon (no version, no address), so that it can be given to anybody. Schemas with a name become components; OpenAPI 3.1 uses
 * JSON Schema 2020-12 as it is.
 */
import * as z from 'zod';
import {
  CONTRACT_HEADER,
  CSRF_HEADER,
  PROBLEM_JSON,
  ROUTES,
  SESSION_COOKIE,
  takesKey,
  TOKEN_PREFIX,
  type Access,
  type Route,
  type RouteId,
} from './routes.js';
import * as schemas from './schemas.js';
import * as sessionSchemas from './session-schemas.js';

type Json = Record<string, unknown>;

export interface OpenApiDocument extends Json {
  readonly openapi: string;
}

/** Grows with `/v1`: the second number when something is added. */
const API_VERSION = '1.0';

/** Media types of the routes that do not answer with JSON. */
const TEXT_ROUTES: Readonly<Record<Exclude<RouteId, schemas.JsonRouteId>, string>> = {
  'ca.show': 'application/x-pem-file',
  'join.page': 'text/html',
  'approve.page': 'text/html',
  'events.stream': 'text/event-stream',
  'audit.export': 'application/x-ndjson',
  metrics: 'text/plain',
};

const WHO: Readonly<Record<Access, string>> = {
  anonymous: 'Anybody who can reach the listener.',
  viewer: 'Needs the role viewer or a higher one.',
  operator: 'Needs the role operator or a higher one.',
  approver: 'Needs the role approver or a higher one.',
  owner: 'Needs the role owner.',
};

const DESCRIPTION = `The control plane of a palyra daemon. Requests are strict, an unknown field is refused; answers are open, fields may be added within v1.

Over the daemon's local Unix socket the caller is its owner, without any credential. Over TCP it is whoever the one credential of the request stands for:
a session, by its cookie (POST /v1/session begins one), or a token. A mutation by a session carries the csrfToken of GET /v1/session in the header
${CSRF_HEADER}. A credential that is not accepted is refused, and so is a request with two; operations for anybody look at none. What a token may do is limited
by its scopes (x-palyra-scope; x-palyra-scope-for-own: enough for what was made with the same token) and by the role of its operator (x-palyra-access).

Every answer carries the header ${CONTRACT_HEADER}; a request may carry it too and is refused when the number differs.`;

const SECURITY_SCHEMES: Json = {
  session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE, description: 'Set by a login.' },
  csrf: { type: 'apiKey', in: 'header', name: CSRF_HEADER, description: 'The csrfToken of the session.' },
  token: { type: 'http', scheme: 'bearer', description: `Begins with ${TOKEN_PREFIX}.` },
};

const NAMES: Readonly<Record<string, z.ZodType>> = {
  JsonValue: schemas.jsonValue,
  Node: schemas.nodeView,
  NodeSummary: schemas.nodeSummary,
  Capability: schemas.capabilityView,
  CapabilityOffer: schemas.capabilityOffer,
  CapabilitySummary: schemas.capabilitySummary,
  Dispatch: schemas.dispatchView,
  DispatchListing: schemas.dispatchListing,
  Invite: schemas.inviteView,
  NewInvite: schemas.newInviteView,
  Daemon: schemas.daemonStatus,
  WhoAmI: sessionSchemas.whoAmI,
  Session: sessionSchemas.sessionView,
  Operator: sessionSchemas.operatorView,
  Token: sessionSchemas.tokenView,
};

/** In place of the schema that names itself, which types generated from this document cannot always express. */
const ANY_JSON: Json = { description: 'Any JSON value.' };

const problem = z.object({
  type: z.string().describe('urn:palyra:error: and the reason.'),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  reason: z.string().describe('Stable; every reason is listed in docs/errors.md.'),
  hint: z.string(),
  details: z.record(z.string(), z.unknown()),
});

/** Costs some milliseconds: make it when it is first asked for. */
export function createOpenApi(): OpenApiDocument {
  const components = new Components();
  const paths: Record<string, Json> = {};
  for (const [id, route] of Object.entries(ROUTES) as [RouteId, Route][]) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(id, route, components) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'palyra',
      version: API_VERSION,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/', description: 'The daemon that gave this document' }],
    tags: [...new Set(Object.keys(ROUTES).map(tagOf))].map((name) => ({ name })),
    paths,
    components: {
      responses: {
        Problem: {
          description: 'Refused or failed. RFC 9457.',
          content: { [PROBLEM_JSON]: { schema: components.schema(problem) } },
        },
      },
      schemas: components.schemas,
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

function operation(id: RouteId, route: Route, components: Components): Json {
  const json = isJsonRoute(id) ? schemas.SCHEMAS[id] : null;
  const query = json === null ? [] : queryParameters(components.schema(json.query));
  const body = json === null || route.method !== 'POST' ? null : components.schema(json.body);
  return {
    operationId: id.replace(/\.(\w)/g, (_, letter: string) => letter.toUpperCase()),
    tags: [tagOf(id)],
    summary: route.summary,
    description: `${WHO[route.access]}${route.waits === true ? ' May wait as long as the request asks for before it answers.' : ''}`,
    'x-palyra-access': route.access,
    ...(route.scope === null ? {} : { 'x-palyra-scope': route.scope }),
    ...(route.scopeForOwn === undefined ? {} : { 'x-palyra-scope-for-own': route.scopeForOwn }),
    security: securityOf(route),
    parameters: [...pathParameters(route.path), ...query, ...(takesKey(route) ? [IDEMPOTENCY_KEY] : [])],
    ...(body === null || isEmpty(body) ? {} : { requestBody: requestBody(body) }),
    responses: responses(id, components),
  };
}

const IDEMPOTENCY_KEY: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'The same request under the same key gets the same answer again; another request is refused. Kept for a day; take a UUID: under fewer than 20 characters the answer is not kept over a restart of the daemon (409 then). Of a dispatch it is kept as long as its record.',
  schema: { type: 'string', minLength: 1, maxLength: 128 },
};

function responses(id: RouteId, components: Components): Json {
  const refused = { $ref: '#/components/responses/Problem' };
  const content = isJsonRoute(id)
    ? { 'application/json': { schema: components.schema(schemas.SCHEMAS[id].answer) } }
    : { [TEXT_ROUTES[id]]: { schema: { type: 'string' } } };
  return {
    200: { description: 'As asked', content },
    ...(id === 'readyz' ? { 503: { description: 'The daemon does not accept work', content } } : {}),
    '4XX': refused,
    '5XX': refused,
  };
}

/** One of these is enough; an operation for anybody needs none. */
function securityOf(route: Route): Json[] {
  if (route.access === 'anonymous') return [];
  return [route.safe ? { session: [] } : { session: [], csrf: [] }, { token: [] }];
}

function isEmpty(schema: Json): boolean {
  return schema['anyOf'] === undefined && Object.keys(schema['properties'] ?? {}).length === 0;
}

function requestBody(schema: Json): Json {
  if (schema['anyOf'] !== undefined) return { required: true, content: { 'application/json': { schema } } };
  const required = Array.isArray(schema['required']) && schema['required'].length > 0;
  return { required, content: { 'application/json': { schema } } };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(query: Json): Json[] {
  const required = new Set((query['required'] as string[] | undefined) ?? []);
  return Object.entries((query['properties'] as Json | undefined) ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.has(name),
    schema,
  }));
}

/** JSON Schemas whose named parts are moved to `components/schemas`. */
class Components {
  readonly schemas: Record<string, Json> = {};
  readonly #names = z.registry<{ id: string }>();

  constructor() {
    for (const [id, schema] of Object.entries(NAMES)) this.#names.add(schema, { id });
  }

  schema(schema: z.ZodType): Json {
    // `input`: what may be left out of a request is optional, and answers stay open.
    const made = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12', metadata: this.#names });
    const { $schema: _, $defs, ...rest } = pointed(made) as Json & { $defs?: Record<string, Json> };
    for (const [name, part] of Object.entries($defs ?? {})) {
      const { id: _id, ...body } = part;
      this.schemas[name] = name === 'JsonValue' ? ANY_JSON : body;
    }
    return rest;
  }
}

function pointed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pointed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' && typeof inner === 'string' ? inner.replace('#/$defs/', '#/components/schemas/') : pointed(inner),
    ]),
  );
}

function isJsonRoute(id: RouteId): id is schemas.JsonRouteId {
  return Object.hasOwn(schemas.SCHEMAS, id);
}

function tagOf(id: string): string {
  return id.includes('.') ? id.slice(0, id.indexOf('.')) : 'daemon';
}
