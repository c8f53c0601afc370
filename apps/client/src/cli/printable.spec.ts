import fc from 'fast-check';
import { decodeArgument, encodeArgument } from './argument-bytes';
import { jsonPath, toJson } from './output';
import { printableBytes, printableMessage } from './printable';

describe('printableBytes', () => {
  it.each([
    ['plain', 'plain'],
    ['größe 漢字 🙂', 'größe 漢字 🙂'],
    ['a\nb\tc', 'a\\nb\\tc'],
    ['\u001b[2Jgone', '\\x1b[2Jgone'],
    ['back\\slash', 'back\\\\slash'],
    ['\u007f\u009b31m', '\\x7f\\u009b31m'],
    ['evil\u202egpj.exe', 'evil\\u202egpj.exe'],
    ['line\u2028separator', 'line\\u2028separator'],
  ])('shows %j as %s', (text, shown) => {
    expect(printableBytes(Buffer.from(text))).toBe(shown);
  });

  it('escapes bytes that are not UTF-8 and keeps the text around them', () => {
    expect(printableBytes(Buffer.from([0x61, 0xff, 0xc3, 0xa4, 0xc3, 0x0a]))).toBe('a\\xffä\\xc3\\n');
  });

  it('lets no control character through, and tells all names apart', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (a, b) => {
        const [left, right] = [printableBytes(Buffer.from(a)), printableBytes(Buffer.from(b))];
        expect(left).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e]/u);
        if (!Buffer.from(a).equals(Buffer.from(b))) expect(left).not.toBe(right);
      }),
    );
  });
});

it('messages keep their lines and lose what acts on terminals', () => {
  expect(printableMessage('one\\two\n\u001b]0;title\u0007')).toBe('one\\two\n\\x1b]0;title\\x07');
});

it('documents name bytes that are not UTF-8, and hold nothing that acts on terminals', () => {
  expect(jsonPath(Buffer.from('/ä'))).toEqual({ path: '/ä' });
  expect(jsonPath(Buffer.from([0x2f, 0xff]))).toEqual({ path: '/\ufffd', pathBase64: 'L/8=' });
  expect(toJson({ path: 'a\u009b\u202e\n' })).toBe('{"path":"a\\u009b\\u202e\\n"}');
});

it('arguments of any bytes come back as they were', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      expect(encodeArgument(decodeArgument(Buffer.from(bytes))).equals(Buffer.from(bytes))).toBe(true);
    }),
  );
});
