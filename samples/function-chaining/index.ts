/**
 * Function chaining: each step gets what the step before it gave. Here a photo becomes a post. Kill the process between two
 * steps and start it again: the chain goes on with the step that was next.
 */
import { activity, orchestration } from 'perdure';

export const publishPhoto = orchestration('PublishPhoto', async (ctx, photo: string) => {
  const resized = await ctx.callActivity(resize, { photo, width: 800 });
  const signed = await ctx.callActivity(addWatermark, resized);
  return await ctx.callActivity(publish, signed);
});

// The steps. They know nothing of each other; what one returns is stored before the next one begins.

export const resize = activity('Resize', async ({ photo, width }: { photo: string; width: number }) => {
  return photo.replace(/\.(\w+)$/, `-${width}.$1`);
});

export const addWatermark = activity('AddWatermark', async (photo: string) => {
  return photo.replace(/\.(\w+)$/, '-signed.$1');
});

export const publish = activity('Publish', async (photo: string, ctx) => {
  ctx.log.info('published', { photo });
  return `https://photos.example/${encodeURIComponent(photo)}`;
});
