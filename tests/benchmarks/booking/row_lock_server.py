"""The typical way: FastAPI, SQLAlchemy's ORM, PostgreSQL, ``SELECT … FOR UPDATE``.

A booking locks the dentist's row, looks for an overlap, inserts and commits. It checks no
token, keeps no idempotency key, writes neither events nor an audit, and notifies no client: all of
that would make it slower. Statements are prepared and cached by the libraries, the pool is
larger than its default, uvicorn runs on uvloop and httptools, and logs no requests.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import DateTime, ForeignKey, Index, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.benchmarks.booking.measures import MINUTES

POOL = 20


class Base(DeclarativeBase):
    pass


class Dentist(Base):
    __tablename__ = "dentists"
    id: Mapped[UUID] = mapped_column(primary_key=True)


class Appointment(Base):
    __tablename__ = "appointments"
    __table_args__ = (Index("ix_appointments_dentist_start", "dentist_id", "starts_at"),)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    dentist_id: Mapped[UUID] = mapped_column(ForeignKey("dentists.id"))
    patient_id: Mapped[UUID]
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    status: Mapped[str]


class Booking(BaseModel):
    dentist_id: UUID
    patient_id: UUID
    start: AwareDatetime


class Booked(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    dentist_id: UUID
    patient_id: UUID
    starts_at: datetime
    ends_at: datetime
    status: str


engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=POOL)
sessions = async_sessionmaker(engine, expire_on_commit=False)


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as opened:
        opened.add_all(Dentist(id=UUID(each)) for each in os.environ["DENTISTS"].split())
        await opened.commit()
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/api/appointments", status_code=status.HTTP_201_CREATED, response_model=Booked)
async def book(booking: Booking, db: Annotated[AsyncSession, Depends(session)]) -> Appointment:
    start, end = booking.start, booking.start + timedelta(minutes=MINUTES)
    dentist = await db.scalar(
        select(Dentist).where(Dentist.id == booking.dentist_id).with_for_update()
    )
    if dentist is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    taken = await db.scalar(
        select(Appointment.id)
        .where(
            Appointment.dentist_id == booking.dentist_id,
            Appointment.starts_at < end,
            Appointment.ends_at > start,
            Appointment.status == "confirmed",
        )
        .limit(1)
    )
    if taken is not None:
        raise HTTPException(status.HTTP_409_CONFLICT)
    made = Appointment(
        dentist_id=booking.dentist_id,
        patient_id=booking.patient_id,
        starts_at=start,
        ends_at=end,
        status="confirmed",
    )
    db.add(made)
    await db.commit()
    return made


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
