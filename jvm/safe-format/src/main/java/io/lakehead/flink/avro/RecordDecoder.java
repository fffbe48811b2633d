package io.lakehead.flink.avro;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.apache.flink.avro.shaded.org.apache.avro.io.Decoder;
import org.apache.flink.avro.shaded.org.apache.avro.util.Utf8;

/**
 * Reads Avro's binary encoding from one record, and nothing beyond it.
 *
 * <p>Avro's own decoder allocates what a length asks for before it looks whether the bytes are
 * there, so that a few hostile bytes exhaust the memory of the process. Here no length, and no
 * number of items, is taken that the rest of the record cannot hold.
 */
final class RecordDecoder extends Decoder {

  private final ByteBuffer in;

  RecordDecoder(byte[] record, int from) {
    in = ByteBuffer.wrap(record, from, record.length - from).order(ByteOrder.LITTLE_ENDIAN);
  }

  int remaining() {
    return in.remaining();
  }

  @Override
  public void readNull() {}

  @Override
  public boolean readBoolean() throws IOException {
    byte value = next();
    if (value != 0 && value != 1) {
      throw new IOException("a boolean is " + value + ", expected 0 or 1");
    }
    return value == 1;
  }

  @Override
  public int readInt() throws IOException {
    long value = readLong();
    if (value != (int) value) {
      throw new IOException("an int is " + value + ", which has more than 32 bits");
    }
    return (int) value;
  }

  @Override
  public long readLong() throws IOException {
    long bits = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      byte part = next();
      bits |= (part & 0x7fL) << shift;
      if (part >= 0) {
        return (bits >>> 1) ^ -(bits & 1);
      }
    }
    throw new IOException("a number goes on after 10 bytes");
  }

  @Override
  public float readFloat() throws IOException {
    need(Float.BYTES);
    return in.getFloat();
  }

  @Override
  public double readDouble() throws IOException {
    need(Double.BYTES);
    return in.getDouble();
  }

  @Override
  public Utf8 readString(Utf8 old) throws IOException {
    return new Utf8(readString());
  }

  @Override
  public String readString() throws IOException {
    ByteBuffer bytes = slice(readLength());
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    } catch (CharacterCodingException e) {
      throw new IOException("a string is not UTF-8");
    }
  }

  @Override
  public void skipString() throws IOException {
    slice(readLength());
  }

  @Override
  public ByteBuffer readBytes(ByteBuffer old) throws IOException {
    return slice(readLength());
  }

  @Override
  public void skipBytes() throws IOException {
    slice(readLength());
  }

  @Override
  public void readFixed(byte[] bytes, int start, int length) throws IOException {
    need(length);
    in.get(bytes, start, length);
  }

  @Override
  public void skipFixed(int length) throws IOException {
    slice(length);
  }

  @Override
  public int readEnum() throws IOException {
    return readInt();
  }

  @Override
  public int readIndex() throws IOException {
    return readInt();
  }

  @Override
  public long readArrayStart() throws IOException {
    return readItemCount();
  }

  @Override
  public long arrayNext() throws IOException {
    return readItemCount();
  }

  @Override
  public long skipArray() throws IOException {
    return skipItems();
  }

  @Override
  public long readMapStart() throws IOException {
    return readItemCount();
  }

  @Override
  public long mapNext() throws IOException {
    return readItemCount();
  }

  @Override
  public long skipMap() throws IOException {
    return skipItems();
  }

  /** A negative count is followed by the block's size in bytes, for those who skip it. */
  private long readItemCount() throws IOException {
    long count = readLong();
    if (count < 0) {
      readLength();
      count = -count;
    }
    return checked(count);
  }

  private long skipItems() throws IOException {
    long count = readLong();
    while (count < 0) {
      slice(readLength());
      count = readLong();
    }
    return checked(count);
  }

  /** Items without bytes, which are nulls alone, could otherwise be of any number. */
  private long checked(long count) throws IOException {
    if (count < 0 || count > in.remaining()) {
      throw new IOException(
          "a list of " + count + " items stands before the last " + in.remaining() + " bytes");
    }
    return count;
  }

  private int readLength() throws IOException {
    long length = readLong();
    if (length < 0 || length > in.remaining()) {
      throw new IOException(
          "a length of " + length + " stands before the last " + in.remaining() + " bytes");
    }
    return (int) length;
  }

  private ByteBuffer slice(int length) throws IOException {
    need(length);
    ByteBuffer part = in.slice().limit(length);
    in.position(in.position() + length);
    return part;
  }

  private byte next() throws IOException {
    need(1);
    return in.get();
  }

  private void need(int length) throws IOException {
    if (length > in.remaining()) {
      throw new IOException("unexpected end of the record");
    }
  }
}
