/** Modules that pages import and this project does not have: what readers bring. */
declare module '@azure/identity' {
  export class DefaultAzureCredential {
    getToken(scope: string): Promise<{ readonly token: string }>;
  }
}
