/** A queue whose `shift` does not move what is left: a body may take 100,000 buffered events one by one. */
export class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head += 1;
    // What was taken is let go once it is half of the array: constant cost per item.
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#items.slice(this.#head).values();
  }

  /** Removes an item wherever it stands. */
  remove(item: T): void {
    const at = this.#items.indexOf(item, this.#head);
    if (at >= 0) this.#items.splice(at, 1);
  }
}
