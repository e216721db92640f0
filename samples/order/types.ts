/** What the customer sends to `POST /api/orders`, and the input of the orchestration. */
export interface Order {
  readonly id: string;
  readonly customer: string;
  readonly item: string;
  /** What it costs. */
  readonly amount: number;
  /** For trying things out: how many attempts at the payment fail. Default 0. */
  readonly failPayments?: number;
  /** How long the customer may think, such as `'30s'` or `'24h'`. Default `'24h'`. */
  readonly approvalTimeout?: string;
}

export const colors = ['white', 'black', 'pink', 'green'] as const;
export type Color = (typeof colors)[number];

/** One color of the item, as a picture to choose by. */
export interface ColorVersion {
  readonly color: Color;
  readonly picture: string;
}

export interface Payment {
  readonly paymentId: string;
  readonly amount: number;
}

/** How an order ends; the output of the orchestration. */
export interface OrderResult {
  readonly order: string;
  readonly outcome: 'fulfilled' | 'cancelled';
  /** Why it was cancelled. */
  readonly reason?: string;
}

/**
 * Turns the body of a request into an order.
 * @returns the order, or a text that says what is wrong with the body
 */
export function readOrder(body: unknown): Order | string {
  if (typeof body !== 'object' || body === null) return 'The body must be a JSON object.';
  const { id, customer, item, amount, failPayments = 0, approvalTimeout = '24h' } = { ...body } as Partial<Order>;
  if (!isText(id) || !isText(customer) || !isText(item)) {
    return 'An order needs the texts "id", "customer" and "item".';
  }
  if (typeof amount !== 'number' || amount <= 0) return 'An order needs an "amount" above 0.';
  if (!Number.isInteger(failPayments) || failPayments < 0) return '"failPayments" must be a whole number, 0 or more.';
  if (!/^\d+(ms|s|m|h|d)$/.test(approvalTimeout)) return '"approvalTimeout" must be a time such as "30s" or "24h".';
  return { id, customer, item, amount, failPayments, approvalTimeout };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}
