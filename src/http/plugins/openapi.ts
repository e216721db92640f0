/**
 * The OpenAPI document, made from the schemas in `wire/`, and pages to read it. Those schemas describe; they do not run
 * on the way of a request: ids are any text, query strings have their own reader (`query.ts`), bodies are opaque, and
 * answers are written by hand for speed. The tests check every answer against its schema instead.
 */
import helmet, { type FastifyHelmetOptions } from '@fastify/helmet';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { FunctionDefinition } from '../../model/functions.ts';
import { corrected } from '../openapi-corrections.ts';
import { withOrchestrators } from '../openapi-orchestrators.ts';
import { sendJson } from '../answers.ts';
import type { Gate } from './auth.ts';

/** Answers may get more fields one day, so the document does not forbid them. */
const zodToJsonConfig: ZodToJsonConfig = {
  override: ({ jsonSchema }) => {
    if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
  },
};

type ZodToJsonConfig = NonNullable<NonNullable<Parameters<typeof createJsonSchemaTransform>[0]>['zodToJsonConfig']>;

const transformObject = createJsonSchemaTransformObject({ zodToJsonConfig });

/** Schemas of routes are for the document: they do not run. To be called before any route is added. */
export function onlyDescribe(app: FastifyInstance): void {
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
}

/** To be called before any route is added. */
export async function documentRoutes(app: FastifyInstance): Promise<void> {
  onlyDescribe(app);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Perdure',
        description: 'Durable orchestrations on Postgres, with the HTTP API of Azure Durable Functions.',
        version: '1.0.0',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      // Relative: of whatever serves this document.
      servers: [{ url: '/', description: 'This service' }],
      tags: [
        { name: 'Orchestrations', description: 'Starting orchestrations.' },
        { name: 'Instances', description: 'Watching and steering what was started.' },
        { name: 'Events', description: 'What happens, as it happens.' },
        { name: 'Entities', description: 'Signalling, reading and listing entities.' },
        { name: 'Keys', description: 'Named keys of the API, for admins.' },
        { name: 'Audit', description: 'What operators did, for admins.' },
        { name: 'Retention', description: 'What becomes of what has ended, for admins.' },
        { name: 'Health', description: 'For probes and load balancers.' },
      ],
      components: {
        securitySchemes: {
          code: { type: 'apiKey', in: 'query', name: 'code', description: 'A key, or the token of a signed link.' },
          functionsKey: { type: 'apiKey', in: 'header', name: 'x-functions-key', description: 'The same as a header.' },
        },
      },
      security: [{ code: [] }, { functionsKey: [] }, {}],
    },
    transform: createJsonSchemaTransform({ zodToJsonConfig }),
    transformObject: (document) => corrected(transformObject(document)),
  });
}

/** `/openapi.json`, and `/docs` to read it and try it out. */
export async function serveDocumentation(
  app: FastifyInstance,
  { gate, functions }: { readonly gate: Gate; readonly functions: readonly FunctionDefinition[] },
): Promise<void> {
  const onRequest = [gate.look, gate.requireCallerFromElsewhere];
  let text: string | undefined;
  app.get('/openapi.json', { schema: { hide: true }, onRequest }, (_request, reply) => {
    text ??= JSON.stringify(withOrchestrators(app.swagger(), functions));
    return sendJson(reply, 200, text);
  });
  // In a context of its own: answers of the API are no pages, and most of these headers would only cost them time.
  await app.register(async (pages) => {
    await pages.register(helmet, pageHeaders);
    // The page's own scripts and styles are no secret, and the browser asks for them without the key.
    for (const check of onRequest) {
      pages.addHook('onRequest', (request, reply, done) =>
        request.url.startsWith('/docs/static/') ? done() : check.call(app, request, reply, done),
      );
    }
    await pages.register(swaggerUi, {
      routePrefix: '/docs',
      // The document of this very service.
      transformSpecification: (document) => withOrchestrators(document, functions),
      transformSpecificationClone: true,
      uiConfig: { requestInterceptor: passKeyOn },
    });
  });
}

/** The page runs its own scripts only, calls this service only, is framed by nobody, and tells nobody its URL. */
const pageHeaders: FastifyHelmetOptions = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  xFrameOptions: { action: 'deny' },
  // Whether a host name is for HTTPS only is for whoever ends TLS there to say.
  strictTransportSecurity: false,
};

/** What of the page's surroundings {@link passKeyOn} uses; it runs in the browser. */
declare const location: { readonly pathname: string; readonly search: string };

/** Gives the key of the page's own URL to every request that the page makes. Sent to the browser as text. */
function passKeyOn<T extends object>(request: T & { url?: string; loadSpec?: boolean }): T {
  let url = request.loadSpec === true ? location.pathname.replace(/\/docs.*$/, '/openapi.json') : (request.url ?? '');
  if (/[?&]code=/.test(location.search) && !/[?&]code=/.test(url)) {
    url += (url.includes('?') ? '&' : '?') + location.search.slice(1);
  }
  request.url = url;
  return request;
}
