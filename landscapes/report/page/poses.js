// What the page carries packed: roll-outs and the 3-D library. Knows how Python packed them (packing.py), nothing of drawing.

/** The bytes of base64 text that was compressed ("deflate": zlib, "gzip"). */
async function unpacked(text, format) {
  const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
  return new Response(stream).arrayBuffer();
}

/** A roll-out ready to draw: positions [frames, links, 3] in metres, rotations [frames, links, 4] as (w, x, y, z). */
async function unpackedRollout(packed) {
  // One column after the other, each as 16-bit steps from frame to frame, which wrap around.
  const steps = new Int16Array(await unpacked(packed.poses, "deflate"));
  const numColumns = 7 * packed.num_links;
  const numFrames = steps.length / numColumns;
  const positions = new Float32Array(3 * numFrames * packed.num_links);
  const rotations = new Float32Array(4 * numFrames * packed.num_links);
  const sum = new Int16Array(1);
  for (let column = 0; column < numColumns; column += 1) {
    const [link, part] = [Math.floor(column / 7), column % 7];
    sum[0] = 0;
    for (let frame = 0; frame < numFrames; frame += 1) {
      sum[0] += steps[column * numFrames + frame];
      const row = frame * packed.num_links + link;
      if (part < 3) positions[3 * row + part] = packed.centre[part] + sum[0] * packed.metres;
      else rotations[4 * row + part - 3] = sum[0] / 32767;
    }
  }
  const returns = new Float32Array(await unpacked(packed.returns_so_far, "deflate"));
  return { ...packed, numFrames, positions, rotations, returns };
}
