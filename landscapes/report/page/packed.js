// What the page carries packed: roll-outs and the 3-D library. Knows how Python packed them (packing.py), nothing of drawing.

/** The bytes of base64 text that was compressed ("deflate": zlib, "gzip"). */
async function unpacked(text, format) {
  const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
  return new Response(stream).arrayBuffer();
}

/** A roll-out ready to draw, as poses or as pictures. */
async function unpackedRollout(packed) {
  const returns = new Float32Array(await unpacked(packed.returns_so_far, "deflate"));
  const seen = packed.pictures ? await unpackedPictures(packed) : await unpackedPoses(packed);
  return { ...packed, ...seen, returns };
}

/** The number of each pixel's colour, [frames, height * width], and the colours, [n, 3]. */
async function unpackedPictures(packed) {
  const numbers = new Uint8Array(await unpacked(packed.pictures, "deflate"));
  const numPixels = packed.height * packed.width;
  // Each frame as what changes from the one before, modulo 256 as the array keeps it.
  for (let pixel = numPixels; pixel < numbers.length; pixel += 1) numbers[pixel] += numbers[pixel - numPixels];
  return { numFrames: numbers.length / numPixels, numbers, colours: new Uint8Array(await unpacked(packed.colours, "deflate")) };
}

/** Positions [frames, links, 3] in metres, rotations [frames, links, 4] as (w, x, y, z). */
async function unpackedPoses(packed) {
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
  return { numFrames, positions, rotations };
}
