#include "textflag.h"

// func words(state uint32, p *byte, n int) uint32
TEXT ·words(SB), NOSPLIT, $0-28
	MOVL state+0(FP), AX
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX

eight:
	CMPQ   CX, $8
	JLT    four
	CRC32Q (SI), AX
	ADDQ   $8, SI
	SUBQ   $8, CX
	JMP    eight

four:
	CMPQ   CX, $4
	JLT    one
	CRC32L (SI), AX
	ADDQ   $4, SI
	SUBQ   $4, CX

one:
	CMPQ   CX, $1
	JLT    done
	CRC32B (SI), AX
	INCQ   SI
	DECQ   CX
	JMP    one

done:
	MOVL AX, ret+24(FP)
	RET

// MOVE moves a register by the distance of the factors in Z8, and joins it with what
// stands there. 0x96 is the exclusive or of three.
#define MOVE(from, to) \
	VPCLMULQDQ $0x00, Z8, from, Z4     \
	VPCLMULQDQ $0x11, Z8, from, from   \
	VPTERNLOGQ $0x96, from, Z4, to

// func fold(state uint32, p *byte, n int, f *[12]uint64) uint32
TEXT ·fold(SB), NOSPLIT, $0-36
	MOVL state+0(FP), AX
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ f+24(FP), DX

	VMOVDQU64 (SI), Z0
	VMOVDQU64 64(SI), Z1
	VMOVDQU64 128(SI), Z2
	VMOVDQU64 192(SI), Z3
	VMOVD     AX, X4
	VPXORQ    Z4, Z0, Z0
	ADDQ      $256, SI
	SUBQ      $256, CX

	VBROADCASTI32X4 (DX), Z8

four:
	CMPQ       CX, $256
	JLT        join
	VPCLMULQDQ $0x00, Z8, Z0, Z4
	VPCLMULQDQ $0x00, Z8, Z1, Z5
	VPCLMULQDQ $0x00, Z8, Z2, Z6
	VPCLMULQDQ $0x00, Z8, Z3, Z7
	VPCLMULQDQ $0x11, Z8, Z0, Z0
	VPCLMULQDQ $0x11, Z8, Z1, Z1
	VPCLMULQDQ $0x11, Z8, Z2, Z2
	VPCLMULQDQ $0x11, Z8, Z3, Z3
	VPTERNLOGQ $0x96, (SI), Z4, Z0
	VPTERNLOGQ $0x96, 64(SI), Z5, Z1
	VPTERNLOGQ $0x96, 128(SI), Z6, Z2
	VPTERNLOGQ $0x96, 192(SI), Z7, Z3
	ADDQ       $256, SI
	SUBQ       $256, CX
	JMP        four

join:
	VBROADCASTI32X4 16(DX), Z8
	MOVE(Z0, Z1)
	MOVE(Z1, Z2)
	MOVE(Z2, Z3)

one:
	CMPQ       CX, $64
	JLT        last
	VPCLMULQDQ $0x00, Z8, Z3, Z4
	VPCLMULQDQ $0x11, Z8, Z3, Z3
	VPTERNLOGQ $0x96, (SI), Z4, Z3
	ADDQ       $64, SI
	SUBQ       $64, CX
	JMP        one

last:
	VMOVDQU64     32(DX), Z8
	VPCLMULQDQ    $0x00, Z8, Z3, Z4
	VPCLMULQDQ    $0x11, Z8, Z3, Z5
	VPXORQ        Z5, Z4, Z4
	VEXTRACTI32X4 $3, Z3, X0
	VEXTRACTI32X4 $1, Z4, X1
	VEXTRACTI32X4 $2, Z4, X2
	VPXOR         X1, X0, X0
	VPXOR         X2, X0, X0
	VPXOR         X4, X0, X0
	VMOVQ         X0, AX
	VPEXTRQ       $1, X0, BX
	XORL          R8, R8
	CRC32Q        AX, R8
	CRC32Q        BX, R8
	VZEROUPPER
	MOVL          R8, ret+32(FP)
	RET
