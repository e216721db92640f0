import { commonErrors } from '../../wire/errors.ts';
import { explainParams, explainQuery, explanation } from '../../wire/explanation.ts';
import { answer } from '../../wire/fields.ts';
import type { InstanceParams } from '../../wire/instances.ts';
import { noInstance } from '../../wire/stored.ts';
import { sendEmpty, sendJson } from '../answers.ts';
import type { Route } from '../front.ts';
import { instanceIdOf } from '../instance-id.ts';
import type { Query } from '../query.ts';

/** An addition to the API of Azure, where GET below an instance is nothing. */
export const explainInstance: Route = (app, front) => {
  const schema = {
    operationId: 'explainInstance',
    summary: 'Say what an instance waits for',
    description: 'Why it does not move, since when, and the command that would move it.',
    tags: ['Instances'],
    params: explainParams,
    querystring: explainQuery,
    response: { ...commonErrors, 200: answer(explanation, 'The explanation.'), 404: noInstance },
  };
  app.get<{ Params: InstanceParams; Querystring: Query }>(
    '/instances/:instanceId/explain',
    { schema },
    async (request, reply) => {
      const explained = await front.client(request).explain(instanceIdOf(request));
      return explained === undefined ? sendEmpty(reply, 404) : sendJson(reply, 200, JSON.stringify(explained));
    },
  );
};
