/** The port to what a database says about itself that an operator should know. */
export interface DatabaseChecks {
  /**
   * One line for each thing that makes work slower and slower; empty when all is well.
   * @param options.deadRows of one table, above which it is worth a word. Default 100,000
   * @param options.forMs how long vacuum has not come, or a snapshot is held. Default 1,800,000: 30 minutes
   */
  findWarnings(options?: { readonly deadRows?: number; readonly forMs?: number }): Promise<readonly string[]>;
}
